# "Container using external network": each server is looked at from outside until a line is typed. `of` is empty, or
# keeps the names of those apart that are played at once.
set -e
docker network ls
docker network inspect default-external
docker network inspect vic-production
for ports in --expose=80 "-p 80" "-p 80:80"; do
    docker run -d $ports --net=vic-production --name "server$of" my_webapp
    docker inspect --format='{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "server$of"
    read -r line
    docker rm -f "server$of"
done
# Trying to map to different ports is a configuration error.
if docker run -d -p 8080:80 --net=vic-production --name "server$of" my_webapp; then exit 1; fi
docker ps -a --filter "name=server$of"

# "Bridged containers with exposed port": by name on the bridge, and by the host's address. The client's shell is this
# terminal's. `of` is empty, or keeps the names of those apart that are played at once.
set -e
docker network create -d bridge "my-bridge-network$of"
docker network ls
docker run -d -p 5000:5000 --net="my-bridge-network$of" \
    --name="server$of" my_server_image server_app
docker run -it --name="client$of" --net="my-bridge-network$of" busybox
docker rm -f "client$of" "server$of"
docker network rm "my-bridge-network$of"

# "Simple bridge network": server and client can ping each other by name. The client's shell is this terminal's.
# `of` is empty, or keeps the names of those apart that are played at once.
set -e
docker network create -d bridge "my-bridge-network$of"
docker network ls
docker run -d --net="my-bridge-network$of" \
    --name="server$of" my_server_image server_app
docker run -it --name="client$of" --net="my-bridge-network$of" busybox
docker rm -f "client$of" "server$of"
docker network rm "my-bridge-network$of"

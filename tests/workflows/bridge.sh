# Two containers on a bridge network find one another by name. The client's shell is this terminal's.
set -e
docker network create my-bridge-network
docker run -d --name=server --net=my-bridge-network my_server_image
docker run -it --name=client --net=my-bridge-network busybox
docker rm -f client server
docker network rm my-bridge-network

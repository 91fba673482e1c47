# A server's ports answer at the address of the host; the reader ends it by a line.
set -e
docker network create my-bridge-network
docker run -d --name=server --net=my-bridge-network -p 8080:80 -p 5000:5000 my_server_image
docker port server
read -r line
docker rm -f server
docker network rm my-bridge-network

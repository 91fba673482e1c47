# "Container with published port". `of` is empty, or keeps the names of those apart that are played at once.
set -e
# ^C ends the container; what it leaves is removed.
trap : INT
docker run -p 8080:80 --name "test1$of" my_container my_app
docker rm "test1$of"

"""Drives containers by the `docker` package, as a program of somebody else's does. It holds for dockerd 26.1 and for a VCH."""

import docker
from docker.errors import ContainerError, NotFound

from refusals import refused

client = docker.from_env(timeout=120)
assert client.containers.list(all=True) == []
assert "busybox:latest" in client.images.get("busybox").tags

# One that runs to its end.
assert client.containers.run("busybox", ["echo", "hello world"], remove=True) == b"hello world\n"
try:
    client.containers.run("busybox", ["sh", "-c", "echo why >&2; exit 7"], remove=True)
except ContainerError as error:
    assert error.exit_status == 7 and error.stderr == b"why\n", (error.exit_status, error.stderr)
else:
    raise AssertionError("an exit code is lost")

# One that stays: its names, ports, streams, and what happened.
seen = client.api.events(decode=True, filters={"type": "container", "container": "server"})
network = client.networks.create("app")
serve = "trap 'echo bye; exit 3' TERM; echo ready; echo problem >&2; while :; do sleep 0.1; done"
server = client.containers.run(
    "busybox",
    ["sh", "-c", serve],
    name="server",
    hostname="web",
    network="app",
    ports={"80/tcp": 8081, "53/udp": None},
    environment={"COLOUR": "green"},
    labels={"of": "test"},
    detach=True,
)
for line in server.logs(stream=True, follow=True):
    if b"ready" in line:
        break
server.reload()
assert server.status == "running" and server.attrs["State"]["Pid"] > 0, server.attrs["State"]
assert [found.name for found in client.containers.list(filters={"label": "of=test"})] == ["server"]
assert server.ports["80/tcp"][0]["HostPort"] == "8081", server.ports
assert int(server.ports["53/udp"][0]["HostPort"]) > 0, server.ports
endpoint = server.attrs["NetworkSettings"]["Networks"]["app"]
assert endpoint["NetworkID"] == network.id and endpoint["IPAddress"] and endpoint["MacAddress"], endpoint
network.reload()
assert [found.name for found in network.containers] == ["server"]

code, output = server.exec_run(["sh", "-c", "echo $COLOUR $(hostname); exit 5"])
assert (code, output) == (5, b"green web\n"), (code, output)
code, (out, err) = server.exec_run(["sh", "-c", "echo a; echo b >&2"], demux=True)
assert (code, out, err) == (0, b"a\n", b"b\n"), (code, out, err)
assert any("sleep" in " ".join(row) or "sh" in " ".join(row) for row in server.top()["Processes"])

refused(409, "is already in use by container", lambda: client.containers.create("busybox", name="server"))
refused(404, "No such image", lambda: client.containers.create("nosuch"))
refused(409, "container is running: stop the container before removing or force remove", lambda: server.remove())
refused(403, "has active endpoints", lambda: network.remove())

server.rename("renamed")
assert client.containers.get("renamed").id == server.id
server.rename("server")
server.stop(timeout=30)
assert server.wait()["StatusCode"] == 3
assert server.logs(stderr=False) == b"ready\nbye\n", server.logs(stderr=False)
assert server.logs(stdout=False) == b"problem\n", server.logs(stdout=False)
said = server.logs(stream=True, stderr=False)
assert list(said) == [b"ready\n", b"bye\n"]
server.start()
server.kill()
assert server.wait()["StatusCode"] == 137
server.remove()
network.remove()

# Lines come one by one, one that is written in two parts as well; a log of the driver `none` is not read.
parts = "echo one; printf tw; sleep 0.5; printf 'o\\nthree\\nfour'"
lined = client.containers.run("busybox", ["sh", "-c", parts], detach=True)
assert list(lined.logs(stream=True, follow=True)) == [b"one\n", b"two\n", b"three\n", b"four"]
lined.remove()
assert client.containers.run("busybox", ["echo", "x"], name="silent", log_config={"type": "none"}) is None
silent = client.containers.get("silent")
refused(501, "configured logging driver does not support reading", silent.logs)
silent.remove()

# One that is to be started again is not removed in between.
again = client.containers.run("busybox", ["true"], restart_policy={"Name": "always"}, detach=True)
again.wait()
refused(409, "stop the container before removing or force remove", again.remove)
again.remove(force=True)

# A link on the default bridge gives a name and variables.
client.containers.run(
    "busybox", ["sleep", "1000"], name="db", environment={"COLOUR": "red"}, ports={"5432/tcp": None}, detach=True
)
asks = "env; ping -c 1 my-db >/dev/null && echo found"
said = client.containers.run("busybox", ["sh", "-c", asks], name="asks", links={"db": "my-db"}, remove=True)
lines = said.decode().splitlines()
address = client.containers.get("db").attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
for line in [
    f"MY_DB_PORT=tcp://{address}:5432",
    f"MY_DB_PORT_5432_TCP_ADDR={address}",
    "MY_DB_PORT_5432_TCP_PROTO=tcp",
    "MY_DB_NAME=/asks/my-db",
    "MY_DB_ENV_COLOUR=red",
    "found",
]:
    assert line in lines, (line, lines)
client.containers.get("db").remove(force=True)

# On another network it is a name that is looked up when it is asked for: also of a container that comes later.
own = client.networks.create("own")
early = client.containers.create("busybox", ["sleep", "1000"], name="early")
own.connect(early, links=[("late", "store")])
early.start()
for _ in range(2):
    late = client.containers.run("busybox", ["sleep", "1000"], name="late", network="own", detach=True)
    endpoint = client.containers.get("late").attrs["NetworkSettings"]["Networks"]["own"]
    code, output = early.exec_run(["ping", "-c", "1", "store"])
    assert code == 0 and endpoint["IPAddress"] in output.decode(), (endpoint, output)
    late.remove(force=True)
assert early.top(ps_args="aux")["Titles"][:4] == ["USER", "PID", "%CPU", "%MEM"]
early.remove(force=True)
own.remove()

expected = ["create", "start", "exec_die", "stop", "start", "kill", "die", "destroy"]
for event in seen:
    assert event["Actor"]["ID"] == server.id, event
    if expected and event["Action"].split(":")[0] == expected[0]:
        expected.pop(0)
    if event["Action"] == "destroy":
        break
assert expected == [], expected
seen.close()
assert client.containers.list(all=True) == []
try:
    client.containers.get("server")
except NotFound:
    print("all of it holds")

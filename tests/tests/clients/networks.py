"""Drives networks by the `docker` package, as a program of somebody else's does. It holds for dockerd 26.1 and for a VCH."""

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from refusals import refused

client = docker.from_env()
assert client.ping()
assert client.version()["ApiVersion"]
assert {network.name for network in client.networks.list()} >= {"bridge", "none"}

pool = IPAMPool(subnet="10.77.0.0/16", gateway="10.77.0.9", aux_addresses={"router": "10.77.0.5"})
app = client.networks.create(
    "app", driver="bridge", ipam=IPAMConfig(pool_configs=[pool]), labels={"of": "test"}, internal=True
)
shown = client.networks.get("app")
assert shown.id == app.id and client.networks.get(app.id[:12]).name == "app"
config = shown.attrs["IPAM"]["Config"]
assert config == [
    {"Subnet": "10.77.0.0/16", "Gateway": "10.77.0.9", "AuxiliaryAddresses": {"router": "10.77.0.5"}}
], config
assert shown.attrs["Internal"] and shown.attrs["Labels"] == {"of": "test"}
assert shown.attrs["Scope"] == "local" and shown.attrs["Driver"] == "bridge"
assert [network.name for network in client.networks.list(filters={"label": "of=test"})] == ["app"]
assert [network.name for network in client.networks.list(names=["app"])] == ["app"]

refused(409, "network with name app already exists", lambda: client.networks.create("app", check_duplicate=True))
refused(403, "Pool overlaps", lambda: client.networks.create("b", ipam=IPAMConfig(pool_configs=[IPAMPool("10.77.1.0/24")])))
refused(403, "operation is not permitted on predefined bridge network", lambda: client.networks.create("bridge"))
refused(403, "is a pre-defined network and cannot be removed", lambda: client.networks.get("bridge").remove())
refused(404, "No such container: nobody", lambda: app.connect("nobody"))
refused(404, "plugin \"nothing\" not found", lambda: client.networks.create("b", driver="nothing"))

before = client.api.events(decode=True, filters={"type": "network", "event": "create"})
other = client.networks.create("other")
event = next(before)
assert event["Actor"]["ID"] == other.id and event["Actor"]["Attributes"]["name"] == "other", event
before.close()
app.remove()
assert client.networks.prune()["NetworksDeleted"] == ["other"]
try:
    client.networks.get("app")
except NotFound:
    print("all of it holds")

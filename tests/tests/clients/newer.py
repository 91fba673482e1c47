"""Asks what API 1.46 to 1.51 brought, as it was asked of a dockerd 28.5.2 once, and compares the answers' statuses and keys.

What a key's value is stands in other tests; here no key is missing, none is new, and nothing is refused that dockerd takes.
"""

import http.client
import json
import os
import socket
import sys

# Where a VCH answers otherwise on purpose: the request's number in the record, and why.
DELIBERATE = {
    13: "a trailing slash is what the path without it is, on every route",
    35: "an unknown signal is the client's fault: 400",
    40: "a filter that is no port is the client's fault: 400",
    41: "each refusal is JSON",
    42: "a host name with a blank fits neither hosts nor DNS",
    44: "a network's name is part of names in DNS",
    49: "a single look at what is used names its container, as a stream of them does",
    45: "a subnet of two addresses has none for a container beside the gateway",
}
# Keys that only one of them has on purpose: parts of a path of keys.
OWN = (
    # Of images that an OCI layout keeps, which dockerd shows with containerd's image store only.
    ".Descriptor", ".Manifests", ".ImageManifestDescriptor",
    # Of the machine below: container runtimes, storage and control groups are dockerd's own, a VM's id is not.
    ".Containerd", ".Runtimes.", ".GraphDriver.Data", ".KernelMemoryTCP", "_stats", ".id", ".num_procs", ".preread",
    ".DiscoveredDevices", ".AllowNondistributableArtifacts",
    # The gateway that was chosen is always shown, as dockerd 26.1.5 shows it.
    ".IPAM.Config[].Gateway",
    # Shown at the endpoint; bindings and options are shown as they are in force.
    ".Config.MacAddress", ".DriverOpts.com.docker.network.endpoint", ".PortBindings.80/tcp[]",
)


class Daemon(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(120)
        self.sock.connect(os.environ["DOCKER_HOST"].removeprefix("unix://"))


def ask(exchange):
    body, headers = exchange.get("body"), {}
    if body is not None:
        headers["Content-Type"] = exchange.get("type", "application/json")
        body = body if isinstance(body, str) else json.dumps(body)
    daemon = Daemon("localhost")
    daemon.request(exchange["method"], exchange["path"], body, headers)
    answer = daemon.getresponse()
    text = answer.read().decode(errors="replace")
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def keys(value, path=""):
    if isinstance(value, list):
        return set().union(*(keys(one, path + "[]") for one in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    return set().union(*({f"{path}.{key}"} | keys(one, f"{path}.{key}") for key, one in value.items())) if value else set()


record = os.path.join(os.path.dirname(__file__), "dockerd-28.5.2.json")
differences = []
with open(record) as file:
    exchanges = json.load(file)["exchanges"]
for number, exchange in enumerate(exchanges):
    status, answer = ask(exchange)
    theirs, ours = keys(exchange["answer"]), keys(answer)
    odd = [f"{'dockerd' if key in theirs else 'vch'} alone: {key}" for key in sorted(theirs ^ ours) if not any(own in key for own in OWN)]
    if status != exchange["status"]:
        odd.insert(0, f"{exchange['status']} is {status}: {json.dumps(answer)[:300]}")
    if bool(odd) != (number in DELIBERATE):
        differences.append((number, exchange["method"], exchange["path"], exchange.get("body"), odd))
for difference in differences:
    print(*difference, sep="\n  ", file=sys.stderr)
if not differences:
    print("all of it holds")

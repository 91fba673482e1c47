"""Pushes a tar as the one layer of an image: push.py REGISTRY NAME TAG TAR (the OCI distribution protocol)."""

import hashlib
import json
import sys
import urllib.request

registry, name, tag, tar = sys.argv[1:]
base = f"http://{registry}/v2/{name}"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def send(method, url, data, kind):
    headers = {"Content-Type": kind}
    return urllib.request.urlopen(
        urllib.request.Request(url, data=data, method=method, headers=headers)
    )


def blob(data, kind):
    place = send("POST", f"{base}/blobs/uploads/", b"", kind).headers["Location"]
    joint = "&" if "?" in place else "?"
    send("PUT", f"{place}{joint}digest={digest(data)}", data, "application/octet-stream")
    return {"mediaType": kind, "size": len(data), "digest": digest(data)}


with open(tar, "rb") as file:
    layer = file.read()
config = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Cmd": ["echo", "pulled"], "Env": ["PATH=/bin"]},
    "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
}
oci = "application/vnd.oci.image"
manifest = {
    "schemaVersion": 2,
    "mediaType": f"{oci}.manifest.v1+json",
    "config": blob(json.dumps(config).encode(), f"{oci}.config.v1+json"),
    "layers": [blob(layer, f"{oci}.layer.v1.tar")],
}
send("PUT", f"{base}/manifests/{tag}", json.dumps(manifest).encode(), manifest["mediaType"])

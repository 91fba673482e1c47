"""Runs the integration tests of Python's `docker` package, as its authors wrote them, against a VCH.

    make vch && . target/vch/env && make suites

The tests come with the package's source archive from PyPI and are not part of this repository. What may fail is
listed in `docker_py.expected`, each with its reason. The run fails where another test fails, and where a listed
one passes.
"""

import os
import pathlib
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as xml

VERSION = "6.1.3"
# What its tests import, in versions of the same time.
PACKAGES = [f"docker=={VERSION}", "pytest==7.4.4", "pytest-timeout==2.3.1", "paramiko==3.5.1", "requests==2.31.0",
            "urllib3==1.26.20", "websocket-client==1.8.0"]
API = "1.43"
# Seconds for one test, a VM's start among them.
TEST_SECONDS = 90
# Names under which the tests look for an image with a shell and the usual programs.
NAMES = ["alpine:3.10", "alpine:latest", "busybox:latest"]
# Of a swarm, of plugins and of `docker build`: a VCH has none of them and refuses them by name. Contexts are the
# client's own files.
LEFT_OUT = ["swarm", "service", "plugin", "secret", "config", "node", "build", "context", "credentials"]

HERE = pathlib.Path(__file__).resolve().parent
WORKSPACE = HERE.parent.parent
FOLDER = WORKSPACE / "target/suites/docker-py"
BUSYBOX = WORKSPACE / "target/image/busybox/bin/busybox"


def run(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, **options)


def install():
    """Returns the interpreter that has the packages, and the folder with the tests."""
    python = FOLDER / "venv/bin/python"
    if not (FOLDER / "installed").exists():
        run(sys.executable, "-m", "venv", FOLDER / "venv")
        run(python, "-m", "pip", "install", "-q", *PACKAGES)
        run(python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", FOLDER, f"docker=={VERSION}")
        with tarfile.open(FOLDER / f"docker-{VERSION}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
        (FOLDER / "installed").touch()
    return python, FOLDER / f"docker-{VERSION}"


def provide_images():
    """Imports busybox under the names of the images that the tests expect to find."""
    root = FOLDER / "root"
    for name in ["bin", "dev", "etc", "proc", "root", "sys", "tmp", "var/opt", "var/www"]:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnobody:x:65534:\n")
    run("install", "-m", "755", BUSYBOX, root / "bin/busybox")
    listed = run(BUSYBOX, "--list", capture_output=True, text=True).stdout.split()
    for applet in listed:
        link = root / "bin" / applet
        if not link.exists() and not link.is_symlink():
            link.symlink_to("busybox")
    archive = FOLDER / "root.tar"
    run("tar", "--owner=0", "--group=0", "-C", root, "-cf", archive, ".")
    run("docker", "import", "-c", 'CMD ["/bin/sh"]', "-c", "ENV PATH=/usr/local/bin:/usr/bin:/bin", archive, NAMES[0],
        stdout=subprocess.DEVNULL)
    for name in NAMES[1:]:
        run("docker", "tag", NAMES[0], name)


def expected():
    """Returns the tests that may fail, each with its reason."""
    lines = (HERE / "docker_py.expected").read_text().splitlines()
    rows = [line.split(None, 1) for line in lines if line and not line.startswith("#")]
    return {test: reason for test, reason in rows}


def play(python, source):
    """Runs the tests; returns those that passed and those that failed, by name."""
    results = FOLDER / "results.xml"
    environment = {name: value for name, value in os.environ.items()
                   if name not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    environment["DOCKER_TEST_API_VERSION"] = API
    chosen = " and ".join(f"not {word}" for word in LEFT_OUT)
    subprocess.run([python, "-m", "pytest", "-q", "-W", "ignore", f"--timeout={TEST_SECONDS}", "--tb=short", "-k", chosen,
                    f"--junitxml={results}", "tests/integration", *sys.argv[1:]], cwd=source, env=environment, check=False)
    passed, failed = set(), {}
    for case in xml.parse(results).iter("testcase"):
        name = f"{case.get('classname').split('.')[-2]}.{case.get('classname').split('.')[-1]}.{case.get('name')}"
        fault = case.find("failure")
        fault = case.find("error") if fault is None else fault
        if fault is not None:
            failed[name] = fault.get("message", "").split("\n")[0]
        elif case.find("skipped") is None:
            passed.add(name)
    return passed, failed


def main():
    if "DOCKER_HOST" not in os.environ:
        sys.exit("no VCH to test: type `make vch` and `. target/vch/env`")
    FOLDER.mkdir(parents=True, exist_ok=True)
    python, source = install()
    provide_images()
    passed, failed = play(python, source)
    known = expected()
    odd = [f"{name} failed: {message}" for name, message in sorted(failed.items()) if name not in known]
    odd += [f"{name} passed, and is listed as failing: take it out" for name in sorted(passed & known.keys())]
    for line in odd:
        print(line)
    print(f"{len(passed)} passed, {len(failed)} failed, {len(odd)} not as expected")
    sys.exit(1 if odd or not passed else 0)


if __name__ == "__main__":
    main()

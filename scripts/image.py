"""Checks the Dockerfile: `make image`. Where a Docker with a registry is at hand, the image is built and started.

Elsewhere its steps are done on this machine, in a folder that stands in for the image's root: what is copied, installed
and run is what the Dockerfile says, in an environment that has the packages of `.venv` already. Users, rights and the
base system are not tried so. Either way the app has to answer, and to show what the image brings.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import site
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 180  # seconds until the app answers
PLACES = re.compile(r"(?<![\w./])/(?=(?:app|data|srv|tmp)\b)")  # of the image
# What takes a root of its own; folders are made all the same.
SHELL = 'useradd() { :; }; install() { for each; do case "$each" in /*) mkdir -p "$each";; esac; done; }; set -e; '
SHOWN = ("cases", "prototypes", "studies")  # lists of REST that the image fills


def main() -> None:
    """Build and try, one way or the other."""
    if not by_docker():
        by_hand()


def by_docker() -> bool:
    """Build the image with Docker and try it; False where there is none, or no registry."""
    if not shutil.which("docker") or subprocess.run(["docker", "pull", "-q", base()], check=False).returncode:
        return False
    run(["docker", "build", "-t", "seewhy", "."], ROOT, os.environ)
    started = subprocess.run(
        ["docker", "run", "-d", "-p", "127.0.0.1::8501", "seewhy"], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        port = subprocess.run(["docker", "port", started, "8501"], check=True, capture_output=True, text=True).stdout
        answers(f"http://{port.strip()}")
    finally:
        subprocess.run(["docker", "rm", "-f", started], check=False)
    return True


def by_hand() -> None:
    """Do the steps of the Dockerfile below a folder, and start what it starts."""
    with tempfile.TemporaryDirectory(prefix="seewhy-image-") as name:
        root = Path(name)
        environment = {name: each for name, each in os.environ.items() if not name.startswith(("SEEWHY_", "PYTHON"))}
        environment |= {"PATH": f"{interpreter(root)}:{os.environ['PATH']}", "PIP_QUIET": "1"}
        folder, command = root, []
        for word, rest in steps():
            there = PLACES.sub(f"{root}/", rest)
            if word == "WORKDIR":
                folder = Path(there)
                folder.mkdir(parents=True, exist_ok=True)
            elif word == "COPY":
                copy(there.split(), folder)
            elif word == "ENV":
                environment |= dict(each.split("=", 1) for each in shlex.split(there))
            elif word == "RUN":
                run(["sh", "-c", SHELL + there], folder, environment)
            elif word == "CMD":
                command = json.loads(there)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = [{"8501": port, "0.0.0.0": "127.0.0.1"}.get(each, each) for each in command]  # noqa: S104 - the image's
        process = subprocess.Popen(command, cwd=folder, env=environment)
        try:
            answers(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(60)
    print("The Dockerfile's steps were done on this machine, without its base image and its user.")


def steps() -> Iterator[tuple[str, str]]:
    """The instructions of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line[:1].isupper():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def base() -> str:
    """The image that it begins with."""
    return next(rest for word, rest in steps() if word == "FROM")


def interpreter(root: Path) -> Path:
    """The programs of an environment that sees the packages of this one, so that what is pinned is there already."""
    venv.create(root / "usr", with_pip=True)
    (packages,) = (root / "usr/lib").glob("python3.*/site-packages")
    (packages / "base.pth").write_text("\n".join(site.getsitepackages()))
    return root / "usr/bin"


def copy(words: list[str], folder: Path) -> None:
    """Copy what .dockerignore lets through."""
    *sources, target = words
    let = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()}
    for source in sources:
        if source not in let:
            sys.exit(f"the Dockerfile copies {source}, and .dockerignore leaves it out")
        place = folder / target / source if target.endswith("/") else folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)


def answers(address: str) -> None:
    """Wait for the app's health, and look for what the image brings."""
    for _ in range(PATIENCE):
        try:
            print(f"the app answers: {asked(f'{address}/api/health')}")
            break
        except OSError:
            time.sleep(1)
    else:
        sys.exit(f"nothing answers at {address}")
    models = asked(f"{address}/api/models")
    if len(models) < 2:
        sys.exit(f"the app offers {models}, and the image brings a classifier of its own")
    for name in SHOWN:
        if not (found := asked(f"{address}/api/{name}")):
            sys.exit(f"the image brings no {name}")
        print(f"{name}: {json.dumps(found)}")


def asked(address: str) -> Any:
    """What REST answers there."""
    with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310 - our own server
        return json.load(reply)


def run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run it, or stop where it fails."""
    if code := subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
        sys.exit(f"{shlex.join(command)} ended with {code}")


if __name__ == "__main__":
    main()

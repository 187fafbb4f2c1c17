"""Builds the wheel and the source archive, and tries the wheel as somebody without the clone: `make package`.

In an environment of its own and an empty folder, with the versions of `constraints.txt`, `seewhy explain` writes a
report and `seewhy app` answers. With `--pipx` the first of both is tried by `pipx run`, too, which installs everything
again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.request
import venv
import zipfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/release"
PATIENCE = 180  # seconds until the app answers
STRANGERS = ("tests/", "docs/", "scripts/", "studies/", "benchmarks/")


def main() -> None:
    """Build, look into the archives, install, and try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipx", action="store_true", help="Try `pipx run` as well.")
    asked = parser.parse_args()
    shutil.rmtree(BUILD, ignore_errors=True)
    archive, wheel = build()
    complain(misnamed(wheel, archive))
    complain(missing(wheel, archive))
    print(f"{wheel.name} and {archive.name} hold what they should")
    bin_ = environment(BUILD / "installed", f"{wheel}[app]")
    elsewhere = BUILD / "elsewhere"
    elsewhere.mkdir()
    explain([str(bin_ / "seewhy")], elsewhere)
    answer(bin_ / "seewhy", elsewhere)
    if asked.pipx:
        explain([str(environment(BUILD / "pipx", "pipx") / "pipx"), "run", "--spec", str(wheel), "seewhy"], elsewhere)


def build() -> tuple[Path, Path]:
    """The source archive, and the wheel that was built from it."""
    bin_ = environment(BUILD / "builder", "build")
    run([str(bin_ / "python"), "-m", "build", "--outdir", str(BUILD / "dist"), str(ROOT)], ROOT)
    return next((BUILD / "dist").glob("*.tar.gz")), next((BUILD / "dist").glob("*.whl"))


def misnamed(wheel: Path, archive: Path) -> list[str]:
    """Archives that are not named by the version in the code."""
    text = (ROOT / "src/seewhy/__init__.py").read_text("utf-8")
    version = next(line.split('"')[1] for line in text.splitlines() if line.startswith("__version__"))
    return [
        f"{each.name} is not of {version}" for each in (wheel, archive) if not each.name.startswith(f"seewhy-{version}")
    ]


def missing(wheel: Path, archive: Path) -> list[str]:
    """What the wheel lacks of the package, what it has and should not, and what the archive lacks."""
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    with tarfile.open(archive) as opened:
        sources = {name.partition("/")[2] for name in opened.getnames()}
    package = (path for path in (ROOT / "src").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    named = {path.relative_to(ROOT / "src").as_posix() for path in package}
    return [
        *(f"the wheel lacks {name}" for name in sorted(named - held)),
        *(f"the wheel holds {name}" for name in sorted(held) if name.startswith(STRANGERS)),
        *(f"the archive lacks {name}" for name in ("pyproject.toml", "LICENSE", "NOTICE") if name not in sources),
        *(["the archive holds an environment"] if any(".venv/" in name for name in sources) else []),
    ]


def environment(folder: Path, *wanted: str) -> Path:
    """The programs of a new environment that has nothing but what is wanted."""
    venv.create(folder, with_pip=True, clear=True)
    bin_ = folder / ("Scripts" if os.name == "nt" else "bin")
    run([str(bin_ / "python"), "-m", "pip", "install", "-qq", "-c", str(ROOT / "constraints.txt"), *wanted], ROOT)
    return bin_


def explain(seewhy: list[str], folder: Path) -> None:
    """Ask for an explanation, and look for the report."""
    run([*seewhy, "explain", "sample:cat", "--out", "cat"], folder)
    report = folder / "cat/report.html"
    complain([] if report.is_file() else [f"{report} was not written"])
    print(f"{' '.join([Path(seewhy[0]).name, *seewhy[1:2]])} explain wrote a report of {report.stat().st_size:,} bytes")
    shutil.rmtree(folder / "cat")


def answer(seewhy: Path, folder: Path) -> None:
    """Start the app, and ask for its health, its first page and its REST interface."""
    with served(seewhy, folder) as address:
        for path in ("/api/health", "/", "/api/openapi.json"):
            with urllib.request.urlopen(address + path, timeout=60) as reply:  # noqa: S310 - our own server
                print(f"seewhy app answers {path}: {reply.status}, {len(reply.read()):,} bytes")


@contextmanager
def served(seewhy: Path, folder: Path) -> Generator[str]:
    """The address of an app that runs meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(seewhy), "app", "--port", str(port)]
    process = subprocess.Popen(command, cwd=folder, env=clean(folder))
    try:
        wait(f"http://127.0.0.1:{port}/api/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def wait(address: str, process: subprocess.Popen[bytes]) -> None:
    """Until somebody answers there."""
    for _ in range(PATIENCE):
        complain([f"the app ended with {process.returncode}"] if process.poll() is not None else [])
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(1)
    complain([f"nothing answers at {address}"])


def run(command: list[str], folder: Path) -> None:
    """Run it, without what this Python was told of its own."""
    done = subprocess.run(command, cwd=folder, env=clean(folder), check=False)
    complain([f"{' '.join(command)} ended with {done.returncode}"] if done.returncode else [])


def clean(folder: Path) -> dict[str, str]:
    """The variables of somebody who has never heard of the clone."""
    ours = {name: each for name, each in os.environ.items() if not name.startswith(("SEEWHY_", "PYTHON", "VIRTUAL_"))}
    return {**ours, "SEEWHY_HOME": str(folder / "home"), "PIP_CONSTRAINT": str(ROOT / "constraints.txt")}


def complain(found: Iterable[str]) -> None:
    """Stop where there is something to say."""
    if said := "\n".join(found):
        sys.exit(said)


if __name__ == "__main__":
    main()

"""Make ./.venv from requirements.txt, hashes checked, with the project itself in it.

Runs under the machine's own Python before anything is installed, so it stands on the standard library alone.
A stamp with a content digest, written last, says that the environment is complete and current.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import sysconfig
import tempfile
import time
import tomllib
from pathlib import Path

from foundation import digest, places, process
from foundation.errors import LzError, exit_code
from foundation.lock import exclusive
from tools import host


def stamp_text(checkout: Path) -> str:
    """What the environment is made from: pins, how the project is packaged, this Python and the checkout's place."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    packaging = json.dumps([project["project"], project["build-system"], project["tool"]["setuptools"]], sort_keys=True)
    pins = digest.of_file(checkout / "requirements.txt")
    return digest.of_texts(pins, packaging, sys.version, sysconfig.get_platform(), str(checkout))


def install_command(python: Path, pins: Path, wheels: Path | None = None) -> list[str | Path]:
    """The pip command for everything in a file of pins; with `wheels`, from that folder and from nowhere else."""
    source: list[str | Path] = ["--no-index", "--find-links", wheels] if wheels else []
    return [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", *source, "-r", pins]


def quick_command(python: Path, pins: Path) -> list[str | Path]:
    """The same by uv, in less than half of the processor time. Packages are copied, so that no environment shares a file with another."""
    return [
        python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "--no-build",
        "--system-certs", "--link-mode", "copy", "--compile-bytecode", "-r", pins,
    ]  # fmt: skip


def pin_of(package: str, pins: str) -> str:
    """The lines of one package in a file of pins, hashes included."""
    found = re.search(rf"^{package}==.*?(?=^\S|\Z)", pins, re.MULTILINE | re.DOTALL)
    if not found:
        raise LzError(f"{package} is not pinned in requirements.txt")
    return found[0]


def install_quickly(python: Path, pins: Path) -> None:
    """Install everything pinned by uv, which is installed by pip first. Raises LzError when either cannot.

    uv does not read pip's settings: of them it is told the index, by its environment, since a mirror's address may hold a password.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(pin_of("uv", pins.read_text()))
        file.flush()
        process.run(install_command(python, Path(file.name)))
    settings = dict(line.split("=", 1) for line in process.run([python, "-m", "pip", "config", "list"]).splitlines() if "=" in line)
    index = os.environ.get("PIP_INDEX_URL") or settings.get("global.index-url", "").strip("'\"")
    process.run(quick_command(python, pins), env={"UV_DEFAULT_INDEX": index} if index else None)


def install(python: Path, pins: Path, wheels: Path | None, cure: str) -> None:
    """Install everything pinned. What uv cannot do is left to pip, whose settings may know the way: an index with a sign-in, a proxy."""
    if not wheels:
        try:
            install_quickly(python, pins)
        except LzError as error:
            why = (str(error.problems[0].why) or str(error)).splitlines()[-1]
            sys.stderr.write(f"uv could not install the packages ({why}), so pip does\n")
        else:
            return
    process.run(install_command(python, pins, wheels), cure=cure)


def fits(target: Path) -> bool:
    """Whether an environment was made by this Python for this place: packages are then changed in it, which takes seconds."""
    lines = (target / "pyvenv.cfg").read_text().splitlines() if (target / "pyvenv.cfg").is_file() else []
    made_here = any(line.startswith("command = ") and line.endswith(f" {target}") for line in lines)
    return made_here and f"version = {platform.python_version()}" in lines


def unlisted(installed: str, pins: str) -> list[str]:
    """Installed packages that are not pinned, but for the project itself. installed: what `pip list --format=json` prints."""
    listed = set(re.findall(r"^([a-z0-9-]+)==", pins, re.MULTILINE)) | {"landing-zone"}
    names = (re.sub(r"[-_.]+", "-", package["name"]).lower() for package in json.loads(installed))
    return sorted(name for name in names if name not in listed)


def make(checkout: Path, wheels: Path | None = None) -> bool:
    """Make or renew `checkout`/.venv. Returns False when it was current already."""
    target = checkout / ".venv"
    stamp = target / "stamp"
    wanted = stamp_text(checkout)
    with exclusive(checkout / ".venv.lock", "making the Python environment"):
        if stamp.is_file() and stamp.read_text() == wanted:
            return False
        if not importlib.util.find_spec("ensurepip"):
            host.ensure(["python3-venv"])
        renew = stamp.is_file() and fits(target)
        stamp.unlink(missing_ok=True)
        if not renew and target.exists():
            shutil.rmtree(target)
        python = target / "bin" / "python"
        cure = "look at the lines above; behind a mirror set PIP_INDEX_URL; without a network use tools/install --from BUNDLE"
        if not renew:
            process.run([sys.executable, "-m", "venv", target])
        install(python, checkout / "requirements.txt", wheels, cure)
        own: list[str | Path] = [
            python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--editable", checkout,
            "--config-settings", "editable_mode=compat",
        ]  # fmt: skip
        process.run(own, cure=cure)
        extra = unlisted(process.run([python, "-m", "pip", "list", "--format=json"]), (checkout / "requirements.txt").read_text())
        if extra:
            process.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", *extra], cure=cure)
        stamp.write_text(wanted)
    return True


def main(arguments: list[str]) -> int:
    """Command line: `python3 -m tools.venv [--wheels FOLDER]`."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.venv", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="install from this folder only, without a network")
    wheels = parser.parse_args(arguments).wheels
    began = time.monotonic()
    if make(places.CHECKOUT, wheels.resolve() if wheels else None):
        sys.stdout.write(f".venv made in {time.monotonic() - began:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))

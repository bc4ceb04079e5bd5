"""Read pins.toml: which version of each program, where its release lies, how it is built, and its place in the cache."""

from __future__ import annotations

import platform
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from foundation import digest
from foundation.errors import InputError, Problem, raise_all
from foundation.places import CHECKOUT

PINS_FILE = CHECKOUT / "tools" / "pins.toml"
GO_MODULES = CHECKOUT / "tools" / "go"
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Release(_Record):
    """An official release. `checksums` lists SHA-256 and file name per line; `keep` are the files wanted from the archive."""

    url: str
    checksums: str
    keep: tuple[str, ...]
    arch: dict[str, str]

    def address(self, version: str) -> str:
        """Address of the archive for this machine."""
        return self.url.format(version=version, arch=self.arch[go_arch()])

    def checksums_address(self, version: str) -> str:
        """Address of the list of checksums beside the archive."""
        return self.checksums.format(version=version)


class Build(_Record):
    """A build from Go modules. `module` is a folder below tools/go, `variables` are set in the binary by the linker."""

    module: str
    package: str
    tags: tuple[str, ...]
    variables: dict[str, str]


class Artefact(_Record):
    """One pinned program. `version_command` makes the binary print its version (empty: it has no such command).

    Without a `release` it is only ever built here.
    """

    name: str
    kind: Literal["cli", "plugin"]
    version: str
    binary: str
    version_command: tuple[str, ...]
    release: Release | None = None
    build: Build

    def sources(self) -> Path:
        """The committed Go module that builds it."""
        return GO_MODULES / self.build.module

    def recipe(self) -> str:
        """Hex digest over everything that decides what the program is: the pin, the Go module, the machine's kind."""
        return digest.of_trees([self.sources()], self.model_dump_json(), go_arch())

    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name}-{self.version}-{self.recipe()[:12]}"


class GoPin(_Record):
    """The Go compiler: oldest version that will do, and the toolchain module with SHA-256 of its zip per platform."""

    minimum: str
    toolchain: str
    sha256: dict[str, str]


class Pins(_Record):
    """The whole of pins.toml."""

    go: GoPin
    artefacts: dict[str, Artefact]


def go_arch() -> str:
    """Go's name for this machine's processor. Raises InputError for a machine that no pin knows."""
    machine = platform.machine()
    if machine not in _GO_ARCH:
        raise InputError(Problem(f"no programs are pinned for a {machine} machine", cure=f"use one of {', '.join(_GO_ARCH)}"))
    return _GO_ARCH[machine]


def load(path: Path = PINS_FILE) -> Pins:
    """Read and check the pins. Raises InputError with every problem in the file."""
    cure = "correct the line, or take the file back: git checkout tools/pins.toml"
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as problem:
        raise InputError(Problem("the list of pinned programs cannot be read", where=str(path), why=str(problem), cure=cure)) from None
    for name, table in raw.get("artefacts", {}).items():
        table.setdefault("name", name)
    try:
        return Pins.model_validate(raw)
    except ValidationError as problem:
        raise_all(
            Problem(error["msg"], where=f"{path}: {'.'.join(str(part) for part in error['loc'])}", cure=cure) for error in problem.errors()
        )
        raise

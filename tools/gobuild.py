"""Build a pinned program from Go modules, and find or fetch the Go that does it."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from foundation import process
from foundation.errors import LzError, Problem
from foundation.places import cache
from foundation.process import CommandFailed
from foundation.progress import Progress
from tools import fetch
from tools.pins import Artefact, GoPin, go_arch

_USUAL_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")
_PUBLIC_PROXY = "https://proxy.golang.org"


class BuildFailed(LzError):
    """Modules could not be fetched, or the compiler failed."""


@dataclass(frozen=True)
class BuildPlan:
    """A build as plain data: `command` is run in the folder `cwd` with `env` added; `deps` lists the packages it compiles."""

    command: tuple[str, ...]
    deps: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


def version_of(text: str) -> tuple[int, int, int] | None:
    """The version in what `go version` or a pin says: "go1.26.8" and "1.26" give (1, 26, 8) and (1, 26, 0)."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def usable(go: Path, minimum: str) -> bool:
    """Whether this Go runs and is new enough by itself, without fetching another toolchain."""
    try:
        said = version_of(process.run([go, "version"], env={"GOTOOLCHAIN": "local"}, timeout=20))
    except LzError:
        return False
    wanted = version_of(minimum)
    return said is not None and wanted is not None and said >= wanted


def candidates() -> list[Path]:
    """Every Go on this machine, in the order in which it is tried."""
    on_path = shutil.which("go")
    found = [Path(on_path)] if on_path else []
    found += [Path(place) / "go" for place in _USUAL_PLACES]
    found += sorted(Path("/usr/lib").glob("go-*/bin/go"), reverse=True)
    return [go for go in dict.fromkeys(found) if go.is_file()]


def find_go(pin: GoPin, progress: Progress) -> Path:
    """A Go that is new enough: the machine's own, else the pinned toolchain, fetched as a Go module."""
    for go in candidates():
        if usable(go, pin.minimum):
            return go
    return fetch_toolchain(pin, progress)


def proxies(setting: str | None = None) -> list[str]:
    """The module proxies named by $GOPROXY, else the public one."""
    named = re.split(r"[,|]", os.environ.get("GOPROXY", "") if setting is None else setting)
    return [proxy.rstrip("/") for proxy in named if proxy.startswith(("http://", "https://"))] or [_PUBLIC_PROXY]


def fetch_toolchain(pin: GoPin, progress: Progress) -> Path:
    """Put the pinned Go below the cache and return its `go`. Raises Unreachable when no module proxy gives it."""
    root = cache("tools") / f"go-{pin.toolchain}"
    go = root / "bin" / "go"
    if go.is_file():
        return go
    name = f"v0.0.1-go{pin.toolchain}.linux-{go_arch()}.zip"
    archive = cache("tools", "downloads") / name
    problems: list[Problem] = []
    with progress.step(f"fetch Go {pin.toolchain}"):
        for proxy in proxies():
            try:
                fetch.download(f"{proxy}/golang.org/toolchain/@v/{name}", archive, pin.sha256[f"linux-{go_arch()}"])
                break
            except fetch.Unreachable as problem:
                problems += problem.problems
        else:
            cure = f"install Go {pin.minimum} or newer (https://go.dev/dl) and put it on PATH, or name a module proxy in GOPROXY"
            raise fetch.Unreachable(*problems, Problem(f"there is no Go {pin.minimum} or newer on this machine", cure=cure))
        unpack_toolchain(archive, root)
        archive.unlink()
    return go


def unpack_toolchain(archive: Path, root: Path) -> None:
    """Unpack a toolchain module: files below its one version folder; programs made executable, as a zip does not say so."""
    part = root.with_name(f"{root.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(archive) as package:
        for member in package.infolist():
            relative = Path(member.filename.partition("@")[2].partition("/")[2])
            if not relative.parts or ".." in relative.parts or relative.is_absolute():
                raise LzError(Problem("the Go toolchain names a file outside its folder", where=f"{archive}: {member.filename}"))
            target = part / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            with package.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            if relative.parts[0] == "bin" or relative.parts[:2] == ("pkg", "tool"):
                target.chmod(0o755)
    shutil.rmtree(root, ignore_errors=True)  # what is left of one
    part.rename(root)


def plan(artefact: Artefact, go: Path, output: Path) -> BuildPlan:
    """How `artefact` is built to the file `output`. go.sum is complete and read-only: nothing unknown gets in."""
    build = artefact.build
    linker = ["-s", "-w"]
    for variable, value in build.variables.items():
        linker += ["-X", f"{variable}={value.format(version=artefact.version)}"]
    tags = ["-tags", ",".join(build.tags)] if build.tags else []
    env = {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
        "GOMODCACHE": str(cache("tools", "gomod")),
        "GOCACHE": str(cache("tools", "gobuild")),
    }
    return BuildPlan(
        command=(str(go), "build", "-v", "-p", "2", *tags, "-ldflags", " ".join(linker), "-o", str(output), build.package),
        deps=(str(go), "list", *tags, "-deps", build.package),
        cwd=artefact.sources(),
        env=env,
    )


def build(artefact: Artefact, go: Path, output: Path, log: Path, progress: Progress) -> None:
    """Build `artefact` to the file `output`, with all that the compiler says in `log`. Raises BuildFailed."""
    steps = plan(artefact, go, output)
    cure = "look at the log. Without a way to a Go module proxy: install from a bundle (tools/install --from BUNDLE)"
    nice = ("setpriv", "--pdeathsig", "KILL", "nice", "-n", "10")  # it ends with us, however we end

    def come_to() -> str:  # the compiler writes a line for each package
        lines = log.read_text(errors="replace").count("\n") if log.exists() else 0
        return f"{lines} of at most {packages} packages compiled"

    try:
        with progress.step(f"fetch the Go modules of {artefact.name}"):
            packages = len(process.run(steps.deps, cwd=steps.cwd, env=steps.env).splitlines())
        with progress.step(f"compile {artefact.name} {artefact.version}"), progress.beating(come_to):
            process.run([*nice, *steps.command], cwd=steps.cwd, env=steps.env, log=log)
    except CommandFailed as problem:
        why = problem.problems[0].why
        raise BuildFailed(Problem(f"{artefact.name} {artefact.version} cannot be built", where=str(log), why=why, cure=cure)) from None

"""The Pulumi engine: its command line and provider plugins at the pinned versions, and the environment to run them in."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from foundation import digest, files
from foundation.errors import InputError, Problem
from foundation.lock import exclusive
from foundation.places import cache
from foundation.progress import Progress
from tools import artefacts, pins
from tools.pins import Artefact, Pins

LOCK = ".lock"  # what files are called that another program may hold
PATIENCE = 2400  # seconds: twice what another run takes to build all of it on two cores


@dataclass(frozen=True)
class Engine:
    """An engine in the cache: `home` is its PULUMI_HOME with `bin/pulumi` and the plugins."""

    home: Path

    @property
    def bin(self) -> Path:
        """The folder that belongs on PATH."""
        return self.home / "bin"


def _place(known: Pins) -> Path:
    names = digest.of_texts(*sorted(artefact.folder() for artefact in known.artefacts.values()))
    return cache("tools") / f"pulumi-home-{names[:12]}"


def installed(known: Pins | None = None) -> Engine | None:
    """The engine for the pins of this checkout if it is in the cache; instant, changes nothing."""
    home = _place(known or pins.load())
    return Engine(home) if home.is_dir() else None


def install(progress: Progress, network: bool = True, known: Pins | None = None) -> Engine:
    """Make sure that the engine is in the cache and undamaged, and return it.

    Another process that is at it is waited for. Raises LzError when a program cannot be obtained, BusyError when the other
    does not end in PATIENCE. Whatever happens, the next call can go on from what is there.
    """
    known = known or pins.load()
    if ready := _whole(known):
        return ready
    with exclusive(cache("tools") / "lock", "installing the engine", PATIENCE, progress.say):
        if ready := _whole(known):  # another run made it, and may use it now
            return ready
        for artefact in known.artefacts.values():
            made = artefacts.obtain(artefact, known.go, progress, network)
            progress.say(f"{made.name} {made.version}: {made.origin}")
        return _assemble(_place(known), known.artefacts.values())


def _whole(known: Pins) -> Engine | None:
    """The engine if it is there, with every program of it undamaged."""
    ready = installed(known)
    if ready is None or not all(_is_whole(ready.home, artefact) for artefact in known.artefacts.values()):
        return None
    _keep_no_logs(ready.home)
    return ready


def _within(home: Path, artefact: Artefact) -> Path:
    """Where Pulumi looks for a program below its home."""
    return home / "bin" if artefact.kind == "cli" else home / "plugins" / f"resource-{artefact.name}-v{artefact.version}"


def _is_whole(home: Path, artefact: Artefact) -> bool:
    """Whether the program is undamaged, and each file in `home` that very one: what was put in place of a damaged one is another."""
    made = artefacts.manifest(artefact)
    if made is None or artefacts.damaged(artefact):
        return False
    pairs = ((artefacts.folder(artefact) / name, _within(home, artefact) / name) for name in made.files)
    return all(there.exists() and there.samefile(file) for file, there in pairs)


def _assemble(home: Path, programs: Iterable[Artefact]) -> Engine:
    """Lay out a PULUMI_HOME by hard links into the artefacts' folders (Pulumi does not follow links to plugin folders)."""
    part = home.with_name(f"{home.name}.part")
    for place in (part, home):
        shutil.rmtree(place, ignore_errors=True)
    for artefact in programs:
        target = _within(part, artefact)
        target.mkdir(parents=True)
        for file in artefacts.folder(artefact).iterdir():
            if file.name != artefacts.MANIFEST:
                os.link(file, target / file.name)
    _keep_no_logs(part)
    part.rename(home)
    return Engine(home)


def _keep_no_logs(home: Path) -> None:
    """Put an empty file where the engine would have its folder of logs, in place of the folder if there is one.

    It writes all that it does there, encrypted, for its maker's support, looks through the whole folder at each start, and has
    no setting for that; where it cannot have the folder it goes on without (decision 91).
    """
    logs = home / "logs"
    if not logs.is_file():
        shutil.rmtree(logs, ignore_errors=True)
        with contextlib.suppress(OSError):  # an engine that runs has just put one more there: the next call finds it ended
            logs.touch()


def clean(known: Pins | None = None) -> int:
    """Remove what the pins of this checkout do not need: other versions, and what builds keep. Returns bytes freed."""
    known = known or pins.load()
    root = cache("tools")
    kept = {_place(known).name, "lock", "logs", *(artefact.folder() for artefact in known.artefacts.values())}
    freed = 0
    with exclusive(root / "lock", "cleaning the engine's cache"):
        for place in sorted(root.iterdir()):
            if place.name in kept or not place.exists():  # gone together with the one before
                continue
            if place.is_dir():
                freed += sum(file.lstat().st_size for file in place.rglob("*") if file.is_file())
                files.remove_folder(place)
            elif place.suffix != LOCK:
                freed += place.lstat().st_size
                place.unlink()
    return freed


def environment(known: Pins | None = None) -> dict[str, str]:
    """What to add to the environment of the Automation API (its backend and passphrase are the caller's).

    Raises InputError when the engine is not installed.
    """
    engine = installed(known)
    if engine is None:
        raise InputError(
            Problem("the Pulumi engine is not installed", where=str(cache("tools")), cure="run: .venv/bin/python -m tools install")
        )
    return {
        "PATH": f"{engine.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PULUMI_HOME": str(engine.home),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_CREDENTIAL_STORE": "plaintext",
    }

"""Copies of a region's state in the object store of the region that takes over for it, and the way back.

A copy is a folder of a private container, named by its time: the checkpoints as they are (secrets in them are encrypted), the
salt, and the environment's secret files sealed with its passphrase. A manifest with every checksum is written last: without it
a copy is not whole. The passphrase is never in it: it is kept elsewhere, or the copy is worth nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation import files
from foundation.errors import InputError, LzError, Problem, raise_all
from landing_zone.engine import checkpoints, sealing
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks

MANIFEST = "manifest.json"
SEALED = "sealed"
SALT = "salt"
PASSPHRASE = "passphrase"  # noqa: S105  the name of a file
PRIVATE = ("secrets", "keys")  # folders of the home that are sealed
KEEP = 30  # copies of a region
STAMP = re.compile(r"\d{8}T\d{6}Z")  # what the folder of a copy is called; whatever else lies there is a person's


@dataclass(frozen=True)
class Copy:
    """One copy: of which region, in which region, when (UTC, `20261125T220000Z`); its objects by name with their SHA-256."""

    region: str
    place: str
    stamp: str
    objects: Mapping[str, str]
    size: int

    @property
    def stacks(self) -> tuple[str, ...]:
        """The stacks whose state is in it."""
        return tuple(filter(None, map(checkpoints.stack_of, self.objects)))


@dataclass(frozen=True)
class Shelf:
    """Where the copies of one region lie: a container in the cloud of its counterpart."""

    environment: str
    region: str
    place: str
    connection: Connection

    @property
    def container(self) -> str:
        """The name of the container."""
        return f"{self.environment}-state-{self.region}"

    def copies(self) -> list[Copy]:
        """All whole copies, the latest first."""
        stamps = {folder for folder, name in self._names() if name == MANIFEST}
        return [self._copy(stamp) for stamp in sorted(stamps, reverse=True)]

    def put(self, objects: Mapping[str, bytes], keep: int = KEEP) -> Copy:
        """Make a copy of `objects`, then remove the oldest beyond `keep` whole ones, and what is left of copies that were cut off."""
        self.connection.object_store.create_container(self.container)
        self._check_private()
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        manifest = {
            "environment": self.environment,
            "region": self.region,
            "made": stamp,
            "bytes": sum(map(len, objects.values())),
            "objects": {name: hashlib.sha256(data).hexdigest() for name, data in objects.items()},
        }
        for name, data in {**objects, MANIFEST: json.dumps(manifest, indent=1).encode()}.items():
            self.connection.object_store.upload_object(self.container, f"{stamp}/{name}", data=data)
        # This one by its stamp: a list of Swift's may lag behind, without its manifest.
        kept = {stamp, *(copy.stamp for copy in self.copies()[:keep])}
        for folder, name in self._names():
            if folder not in kept and folder <= stamp:
                self.connection.object_store.delete_object(f"{folder}/{name}", container=self.container)
        return self._copy(stamp)

    def get(self, copy: Copy) -> dict[str, bytes]:
        """What is in a copy, every checksum compared. LzError with every object that is missing or was changed."""
        found = {name: self._read(f"{copy.stamp}/{name}") for name in copy.objects}
        wrong = [name for name, data in found.items() if data is None or hashlib.sha256(data).hexdigest() != copy.objects[name]]
        cure = "take another copy: lz state backup --list"
        raise_all((Problem("it is not what was copied", f"{self.container}/{copy.stamp}/{name}", cure=cure) for name in wrong), LzError)
        return {name: data for name, data in found.items() if data is not None}

    def _copy(self, stamp: str) -> Copy:
        manifest: dict[str, Any] = json.loads(self._read(f"{stamp}/{MANIFEST}") or b"{}")
        return Copy(self.region, self.place, stamp, manifest.get("objects", {}), int(manifest.get("bytes", 0)))

    def _names(self) -> list[tuple[str, str]]:
        """What is of copies, whole or not: each by the folder of its copy, and its name there."""
        try:
            found = [str(entry.name).partition("/") for entry in self.connection.object_store.objects(self.container)]
        except SDKException as error:
            if getattr(error, "status_code", None) == 404:
                return []
            raise
        return [(folder, name) for folder, _, name in found if STAMP.fullmatch(folder)]

    def _read(self, name: str) -> bytes | None:
        try:
            return bytes(self.connection.object_store.download_object(name, container=self.container))
        except SDKException as error:
            if getattr(error, "status_code", None) == 404:
                return None
            raise

    def _check_private(self) -> None:
        reader = self.connection.object_store.get_container_metadata(self.container).read_ACL
        if reader:
            cure = f"take the right to read away: openstack container unset --property read-ACL {self.container}"
            raise LzError(Problem("others may read the container of the copies", f"region {self.place}, {self.container}", reader, cure))


def contents(stacks: Stacks, regions: Iterable[str]) -> dict[str, dict[str, bytes]]:
    """What belongs into the copy of each region, by name; a region without state is left out. InputError when none has any."""
    store, home = stacks.store, stacks.home
    found: dict[str, dict[str, bytes]] = {region: {} for region in regions}
    for place in store.keys(checkpoints.STACKS):
        region = StackKey.of(checkpoints.stack_of(place) or "").region
        if region in found and (data := store.read(place)) is not None:
            found[region][place] = data
    if not any(found.values()):
        what = f"there is no state of region {' or '.join(found)}"
        raise InputError(Problem(what, where=store.url, cure="nothing has to be copied before the first lz up"))
    files = {path.relative_to(home.root).as_posix(): path.read_bytes() for path in _private_files(home)}
    salt = {SALT: home.salt.read_bytes()} if home.salt.exists() else {}
    passphrase = home.passphrase.read_text().strip()
    return {region: {**states, **salt, SEALED: sealing.seal(files, passphrase)} for region, states in found.items() if states}


def conflicts(stacks: Stacks, objects: Mapping[str, bytes], files: Mapping[str, bytes]) -> list[Problem]:
    """What is here now and would be replaced by something else: states (told whether they are newer), secret files and the salt."""
    cure = "keep it, or replace it on purpose: --overwrite (what was there is kept in aside/)"
    found = []
    for place, data in objects.items():
        name = checkpoints.stack_of(place)
        here = stacks.store.read(place) if name else None
        if name and here is not None and here != data:
            why = f"of {_written(here)}, the copy of {_written(data)}"
            found.append(Problem(f"stack {name} has another state here", f"{place} in {stacks.store.url}", why, cure))
    for name, data in _of_home(objects, files).items():
        path = stacks.home.root / name
        if _another(path, data):
            found.append(Problem("a secret is another one here", str(path), cure=cure))
    return found


def unsealed(objects: Mapping[str, bytes], passphrase: Path) -> dict[str, bytes]:
    """The secret files of a copy, the passphrase with them. InputError when there is no passphrase, or another one."""
    cure = "put the passphrase that you kept elsewhere there (0600), or name its file: --passphrase-file"
    if not passphrase.exists():
        raise InputError(Problem("there is no passphrase", where=str(passphrase), why="no copy has it", cure=cure))
    text = passphrase.read_text().strip()
    try:
        return {**sealing.unseal(objects[SEALED], text), PASSPHRASE: text.encode()}
    except ValueError as error:
        raise InputError(Problem("the secrets of the copy cannot be opened", str(passphrase), str(error), cure)) from None


def put_back(stacks: Stacks, objects: Mapping[str, bytes], private: Mapping[str, bytes], say: Callable[[str], None]) -> list[str]:
    """Take over what a copy has; returns the stacks whose state was written. What is replaced is put aside on this machine."""
    home = stacks.home
    if SALT not in objects and _another(home.root / PASSPHRASE, private[PASSPHRASE]) and home.salt.exists():
        _put_aside(home, SALT, say)  # it is good with the former passphrase only
    for name, data in _of_home(objects, private).items():
        path = home.root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _another(path, data):
            _put_aside(home, name, say)
        files.make(path, data.decode())
    stacks.forget_settings()
    done = []
    for place, data in objects.items():
        stack = checkpoints.stack_of(place)
        if stack is None or stacks.store.read(place) == data:
            continue
        if stacks.store.read(place) is not None:
            say(f"{stack}: the state that was here is {stacks.forget(StackKey.of(stack))} now")
        stacks.store.write(place, data)
        if stacks.store.read(place) != data:
            cure = "may others write there, and is it healthy? Then run the same command again"
            raise LzError(
                Problem(f"the state of {stack} is not in its store after it was written", f"{place} in {stacks.store.url}", cure=cure)
            )
        done.append(stack)
    return done


def chosen(copies: Iterable[Copy], stamp: str | None, where: str) -> Copy:
    """The copy of that time, or the latest. InputError with those that there are."""
    known = list(copies)
    found = next((copy for copy in known if stamp in {None, copy.stamp}), None)
    if found is None:
        why = f"there are: {', '.join(copy.stamp for copy in known) or 'none'}"
        raise InputError(Problem("there is no such copy", where, why, "look at: lz state backup --list"))
    return found


def _of_home(objects: Mapping[str, bytes], private: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a copy brings into the home, by name: the secret files, and the salt that goes with the passphrase."""
    return {**private, **{name: data for name, data in objects.items() if name == SALT}}


def _put_aside(home: Home, name: str, say: Callable[[str], None]) -> None:
    path, aside = home.root / name, home.aside / name.replace("/", "-")
    path.rename(aside)
    say(f"{path}: the one that was here is {aside} now")


def _another(path: Path, data: bytes) -> bool:
    """Whether a file is there and says something else. The end of a line is nothing: a person may have written the passphrase."""
    return path.exists() and path.read_bytes().strip() != data.strip()


def _private_files(home: Home) -> list[Path]:
    return sorted(path for folder in PRIVATE for path in (home.root / folder).rglob("*") if path.is_file())


def _written(checkpoint: bytes) -> str:
    """When a state was last written, as the engine says."""
    try:
        return str(checkpoints.latest(checkpoint).get("manifest", {}).get("time", "an unknown time"))
    except ValueError:
        return "an unknown time (it is damaged)"

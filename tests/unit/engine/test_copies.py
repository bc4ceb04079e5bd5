"""Copies of the state: sealed secrets, what is in a copy, what keeps a restore from doing harm, how many stay."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from foundation import files
from foundation.errors import InputError, LzError
from landing_zone.engine import checkpoints, copies, sealing
from landing_zone.engine.copies import Copy, Shelf
from landing_zone.engine.home import Home
from landing_zone.engine.stack import Stacks
from landing_zone.engine.stores.folder import Folder
from tests.support.objects import Objects

NAME = "lab.north.identity"


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def shelf(objects: Objects) -> Shelf:
    return Shelf("lab", "north", "south", MagicMock(object_store=objects))


def made(root: Path) -> Stacks:
    """Stacks of a home with a state, a salt and secrets."""
    root.mkdir(mode=0o700)
    home = Home(root)
    stacks = Stacks(home, Folder(home.backend))
    for name, when in ((NAME, "2026-01-01"), ("lab.south.identity", "2026-01-02")):
        put(stacks, name, when)
    files.make(home.salt, "v1:salt")
    home.secret("north.lab-edu-automation")
    assert home.user_ca.exists()
    return stacks


def put(stacks: Stacks, name: str, when: str) -> None:
    content = {"version": 3, "checkpoint": {"latest": {"manifest": {"time": when}, "resources": []}}}
    stacks.store.write(checkpoints.checkpoint(name), json.dumps(content).encode())


def files_of(stacks: Stacks) -> dict[str, bytes]:
    kept = (path for folder in ("secrets", "keys") for path in (stacks.home.root / folder).iterdir())
    return {path.name: path.read_bytes() for path in kept}


def empty(root: Path, passphrase: str | None) -> Stacks:
    root.mkdir(mode=0o700)
    if passphrase is not None:
        files.make(root / "passphrase", passphrase)
    return Stacks(Home(root), Folder(Home(root).backend))


def copied(shelf: Shelf, stacks: Stacks, keep: int = copies.KEEP) -> Copy:
    return shelf.put(copies.contents(stacks, [shelf.region])[shelf.region], keep)


def taken(shelf: Shelf) -> dict[str, bytes]:
    return shelf.get(shelf.copies()[0])


def test_sealed_files_open_with_their_passphrase_only() -> None:
    files = {"secrets/a": b"canary-4711", "keys/b": bytes(range(256))}
    sealed = sealing.seal(files, "right")
    assert b"canary" not in sealed
    assert sealing.unseal(sealed, "right") == files
    assert sealing.seal(files, "right") != sealed
    for data, passphrase in ((sealed, "wrong"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "right"), (b"", "right")):
        with pytest.raises(ValueError, match="another passphrase"):
            sealing.unseal(data, passphrase)


def test_what_an_earlier_version_has_sealed_opens() -> None:
    """A copy is worth nothing when the next version makes another key of the passphrase."""
    head = bytes(range(16)) + bytes(range(12))  # salt and nonce
    sealed = head + bytes.fromhex("667f633a070df8c334ca869093fa200371f5fc0aa9c110ac1c361f62b99df133b9fab281b57a55491b")
    assert sealing.unseal(sealed, "right") == {"secrets/a": b"canary"}


def test_a_copy_brings_an_empty_home_to_the_same_state_and_secrets(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    stacks = made(tmp_path / "here")
    copy = copied(shelf, stacks)
    assert copy.stacks == (NAME,)
    assert list(objects.content)[-1] == f"{copy.stamp}/manifest.json", "without it a copy is not whole"
    secrets = [*files_of(stacks).values(), stacks.home.passphrase.read_bytes()]
    assert all(secret not in data for secret in secrets for data in objects.content.values())
    there = empty(tmp_path / "there", stacks.home.passphrase.read_text())
    got = taken(shelf)
    files = copies.unsealed(got, there.home.root / "passphrase")
    assert copies.conflicts(there, got, files) == []
    assert copies.put_back(there, got, files, lambda _: None) == [NAME]
    assert there.store.read(checkpoints.checkpoint(NAME)) == stacks.store.read(checkpoints.checkpoint(NAME))
    assert files_of(there) == files_of(stacks)
    assert there.home.salt.read_text() == "v1:salt"
    private = [path for folder in ("secrets", "keys") for path in (there.home.root / folder).iterdir()]
    assert [path for path in private if path.stat().st_mode & 0o077] == []
    assert copies.put_back(there, got, files, lambda _: None) == []


def test_a_state_that_did_not_arrive_is_not_called_put_back(tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = made(tmp_path / "here")
    copied(shelf, stacks)
    there = empty(tmp_path / "there", stacks.home.passphrase.read_text())
    got = taken(shelf)
    monkeypatch.setattr(Folder, "write", lambda *_: None)
    with pytest.raises(LzError, match=f"the state of {NAME} is not in its store") as caught:
        copies.put_back(there, got, copies.unsealed(got, there.home.passphrase), lambda _: None)
    assert there.store.url in caught.value.problems[0].where


def test_what_is_here_and_differs_is_told_and_put_aside_only_when_asked(tmp_path: Path, shelf: Shelf) -> None:
    stacks = made(tmp_path / "here")
    copied(shelf, stacks)
    put(stacks, NAME, "2026-03-03")
    (stacks.home.root / "secrets" / "north.lab-edu-automation").write_text("changed")
    stacks.home.salt.write_text("v1:other")
    got = taken(shelf)
    files = copies.unsealed(got, stacks.home.passphrase)
    found = copies.conflicts(stacks, got, files)
    assert [(problem.what, problem.where.rpartition("/")[2]) for problem in found[1:]] == [
        ("a secret is another one here", "north.lab-edu-automation"),
        ("a secret is another one here", "salt"),
    ]
    assert found[0].what == f"stack {NAME} has another state here"
    assert found[0].why == "of 2026-03-03, the copy of 2026-01-01"
    assert copies.put_back(stacks, got, files, lambda _: None) == [NAME]
    assert {path.read_text() for path in (stacks.home.root / "aside").rglob("secrets-*")} == {"changed"}
    assert {path.read_text() for path in (stacks.home.root / "aside").rglob("salt")} == {"v1:other"}
    assert any("2026-03-03" in path.read_text() for path in (stacks.home.root / "aside").rglob("*.json"))
    assert copies.conflicts(stacks, got, files) == []


def test_what_goes_with_another_passphrase_goes_with_it(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    """The engine takes a salt, here or in the settings of a stack, for that of its passphrase: every command would say that it is wrong."""
    stacks = made(tmp_path / "here")
    stacks.home.salt.unlink()
    passphrase = stacks.home.passphrase.read_text()
    copied(shelf, stacks)
    there = made(tmp_path / "there")
    assert there.home.passphrase.read_text() != passphrase
    settings = there.home.work(NAME) / f"Pulumi.{NAME}.yaml"
    settings.write_text("encryptionsalt: v1:salt")
    got = taken(shelf)
    (tmp_path / "kept").write_text(passphrase)
    copies.put_back(there, got, copies.unsealed(got, tmp_path / "kept"), lambda _: None)
    assert there.home.passphrase.read_text() == passphrase
    assert not there.home.salt.exists()
    assert not settings.exists()


def test_without_its_passphrase_a_copy_is_closed(tmp_path: Path, shelf: Shelf) -> None:
    copied(shelf, made(tmp_path / "here"))
    got = taken(shelf)
    with pytest.raises(InputError, match="there is no passphrase"):
        copies.unsealed(got, tmp_path / "nowhere")
    (tmp_path / "wrong").write_text("wrong")
    with pytest.raises(InputError, match="cannot be opened"):
        copies.unsealed(got, tmp_path / "wrong")


def test_a_passphrase_that_a_person_wrote_with_the_end_of_a_line_is_the_same(tmp_path: Path, shelf: Shelf) -> None:
    stacks = made(tmp_path / "here")
    stacks.home.passphrase.write_text(f"{stacks.home.passphrase.read_text()}\n")
    copied(shelf, stacks)
    got = taken(shelf)
    files = copies.unsealed(got, stacks.home.passphrase)
    assert copies.conflicts(stacks, got, files) == []
    assert copies.put_back(stacks, got, files, lambda _: None) == []
    assert not (stacks.home.root / "aside").exists()


def test_an_object_that_was_changed_or_lost_is_named(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    copy = copied(shelf, made(tmp_path / "here"))
    objects.content[f"{copy.stamp}/{checkpoints.checkpoint(NAME)}"] += b" "
    del objects.content[f"{copy.stamp}/salt"]
    with pytest.raises(LzError) as caught:
        taken(shelf)
    assert sorted(problem.where.rpartition("/")[2] for problem in caught.value.problems) == [f"{NAME}.json", "salt"]


def test_the_oldest_go_and_what_was_cut_off_too(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    stacks = made(tmp_path / "here")
    for stamp in ("20250101T000000Z", "20250102T000000Z"):
        objects.content |= {f"{stamp}/salt": b"", f"{stamp}/manifest.json": b'{"objects": {}}'}
    objects.content["20250103T000000Z/salt"] = b"cut off before its manifest"
    objects.content["20990101T000000Z/salt"] = b"what another machine is about to make"
    copy = copied(shelf, stacks, keep=2)
    assert "20990101T000000Z/salt" in objects.content
    assert [each.stamp for each in shelf.copies()] == [copy.stamp, "20250102T000000Z"]
    assert not [name for name in objects.content if name.startswith(("20250101", "20250103"))]
    assert copies.chosen(shelf.copies(), "20250102T000000Z", "here").stamp == "20250102T000000Z"
    for other in ("20250101T000000Z", "20990101T000000Z"):
        with pytest.raises(InputError, match="no such copy"):
            copies.chosen(shelf.copies(), other, "here")


def test_what_a_person_has_put_beside_the_copies_is_no_copy_and_stays(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    """Also a copy that was put under another name, to be kept for longer: it is old, and not the latest."""
    stacks = made(tmp_path / "here")
    kept = {f"keep-20250101T000000Z/{name}": b"{}" for name in ("salt", "manifest.json")}
    theirs = {"1 note": b"x", "20250101/notes": b"x", "old/20250101T000000Z/manifest.json": b"{}", **kept}
    objects.content |= theirs
    copy = copied(shelf, stacks, keep=1)
    assert shelf.copies() == [copy]
    assert {name: objects.content.get(name) for name in theirs} == theirs


def test_a_copy_that_a_late_list_does_not_have_yet_is_kept(
    tmp_path: Path, shelf: Shelf, objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = objects.objects
    monkeypatch.setattr(objects, "objects", lambda name: [one for one in whole(name) if not one.name.endswith("manifest.json")])
    copy = copied(shelf, made(tmp_path / "here"))
    monkeypatch.undo()
    assert shelf.copies() == [copy]
    assert shelf.get(copy)


def test_nothing_is_copied_into_a_container_that_others_may_read(tmp_path: Path, shelf: Shelf, objects: Objects) -> None:
    objects.reader = ".r:*"
    with pytest.raises(LzError, match="others may read"):
        copied(shelf, made(tmp_path / "here"))
    assert objects.content == {}


def test_a_region_without_a_state_has_nothing_to_copy(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(InputError, match="no state of region north"):
        copied(shelf, empty(tmp_path / "here", None))

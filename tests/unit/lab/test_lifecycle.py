"""`up` and `down` on a machine where something else went before: a killed run, a full disk, a strict umask, a lab in another cache.

What would make or end a machine is replaced everywhere: a lab may stand where these tests run.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from foundation import stopping
from foundation.errors import InputError, LzError, Problem
from foundation.places import CHECKOUT
from foundation.progress import Progress
from lab import debian, health, image, lifecycle, region, requirements, trees
from lab.compute import choose, kernel
from lab.settings import REGIONS, Places, Region


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A fit machine without a lab."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(requirements, "missing", lambda places, wanted, stay: ())
    return Places(tmp_path / "lab")


@pytest.fixture
def steps(where: Places, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to the machine, in order."""
    done: list[str] = []

    def bring_up(where: Places, names: tuple[str, ...], kind: str, progress: Progress) -> lifecycle.Standing:
        done.append(f"up {' '.join(names)}")
        return lifecycle.Standing("code", names, kind)

    def remove(where: Places, entry: Region) -> None:
        done.append(f"{entry.name} removed")

    monkeypatch.setattr(lifecycle, "_bring_up", bring_up)
    monkeypatch.setattr(lifecycle, "_remove_all", lambda where: done.append("all removed"))
    monkeypatch.setattr(region, "remove", remove)
    return done


@pytest.fixture
def broken(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be brought up."""

    def bring_up(*_: object) -> None:
        raise RuntimeError("made to fail")

    monkeypatch.setattr(lifecycle, "_bring_up", bring_up)


@pytest.fixture
def strict() -> Iterator[None]:
    """The umask of a hardened host."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of all that the lab is made by, and its digest."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("lab", "foundation"):
        shutil.copytree(CHECKOUT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder, digest_in(folder)


def digest_in(folder: Path) -> str:
    """The digest of the lab's code as the code in a folder has it."""
    program = "from lab.lifecycle import code_digest; print(code_digest())"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, text=True).stdout


def stands(where: Places, code: str) -> None:
    """Write down that region north stands."""
    where.root.mkdir(parents=True)
    where.marker.write_text(json.dumps({"code": code, "regions": ["north"], "compute": "uml"}))


def up(*names: str) -> None:
    lifecycle.up(names, "uml", Progress())


@pytest.mark.parametrize(("code", "kind", "wanted"), [("ours", "uml", 2), ("ours", "auto", 2), ("ours", "qemu", 1), ("other", "uml", 1)])
def test_a_region_that_stands_and_stays_needs_its_memory_as_well(
    code: str, kind: str, wanted: int, where: Places, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def missing(_: Places, wanted: Sequence[str], stay: Sequence[str]) -> tuple[Problem, ...]:
        asked.append(len({*wanted, *stay}))
        return ()

    monkeypatch.setattr(requirements, "missing", missing)
    stands(where, lifecycle.code_digest() if code == "ours" else code)
    lifecycle.up(["south"], kind, Progress())
    assert asked == [wanted]
    assert steps[-1] == ("up north south" if wanted == 2 else "up south")


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("lab/settings.py", True),
        ("lab/doctor.py", False),
        ("foundation/scs.py", True),
        ("foundation/progress.py", False),
    ],
)
def test_a_lab_is_another_one_when_the_code_that_shapes_it_is(name: str, shapes: bool, checkout: tuple[Path, str]) -> None:
    folder, before = checkout
    file = folder / name
    file.write_text(file.read_text() + "# another line\n")
    try:
        assert (digest_in(folder) != before) is shapes
    finally:
        shutil.copy(CHECKOUT / name, file)


def test_what_a_killed_run_left_is_not_taken_for_a_region_of_ours(steps: list[str]) -> None:
    """No marker: it was made by nobody knows which code and for which compute kind, or half of it has been deleted."""
    up("north")
    assert steps == ["all removed", "up north"]


def test_what_stands_stays(where: Places, steps: list[str]) -> None:
    stands(where, lifecycle.code_digest())
    up("south")
    assert steps == ["up north south"]


@pytest.mark.parametrize(("code", "compute"), [("ours", "uml"), ("other", "kvm")])
def test_how_instances_run_is_asked_anew_when_the_lab_is_made_anew(
    code: str, compute: str, where: Places, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "choose", lambda _: "kvm")  # which works since
    stands(where, lifecycle.code_digest() if code == "ours" else code)
    assert lifecycle.up(["north"], "auto", Progress()).compute == compute


def test_a_lab_made_by_other_code_goes_first_and_what_goes_is_named(
    where: Places, steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Progress, "say", lambda _, text: said.append(text))
    stands(where, "other code")
    up("south")
    assert steps == ["all removed", "up south"]
    assert "(north)" in said[0]
    assert "south is made anew" in said[0]


def test_logs_that_cannot_be_kept_keep_nothing_from_being_taken_away(
    where: Places, steps: list[str], broken: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, *_: object, **__: object) -> None:
        steps.append(f"logs of {source.parents[2].name}")
        raise shutil.Error([(str(source), "", os.strerror(errno.ENOSPC))])

    for entry in REGIONS.values():
        (region.machine_of(where, entry).upper / "var/log").mkdir(parents=True)
    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(RuntimeError, match="made to fail"):
        up("north", "south")
    assert steps == ["all removed", "logs of north", "north removed", "logs of south", "south removed", "all removed"]


def test_what_cannot_be_taken_away_hides_no_cause(where: Places, steps: list[str], broken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def held(where: Places, entry: Region) -> None:
        raise LzError(Problem("target is busy", cure="leave it"))

    monkeypatch.setattr(region, "remove", held)
    monkeypatch.setattr(Progress, "say", lambda _, text, style="": said.append(text))
    with pytest.raises(RuntimeError, match="made to fail"):
        up("north")
    assert "target is busy" in said[-1]
    assert "leave it" in said[-1]


def test_base_and_image_do_not_wait_for_each_others_packages(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process would name itself as the other that has to end."""
    done: list[str] = []

    def packages(name: str) -> None:
        with debian.archives(done.append):
            time.sleep(0.3)
        done.append(name)

    monkeypatch.setattr(debian, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(trees, "ensure_base", lambda *_: packages("base"))
    monkeypatch.setattr(trees, "ensure_seed", lambda *_: done.append("seed"))
    monkeypatch.setattr(image, "build", lambda *_: packages("image"))
    lifecycle._ingredients(where, "uml", None, Progress())
    assert sorted(done) == ["base", "image", "seed"]


@pytest.mark.timeout(20)
def test_why_up_fails_is_told_before_the_kernel_is_compiled(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    said: list[str] = []

    def say(_: Progress, text: str, style: str = "") -> None:
        said.append(text)
        told.set()

    def fail(*_: object) -> None:
        raise LzError(Problem("the mirror does not answer"))

    monkeypatch.setattr(lifecycle, "_ingredients", fail)
    monkeypatch.setattr(kernel, "build", lambda _: told.wait(15))
    monkeypatch.setattr(Progress, "say", say)
    with pytest.raises(LzError, match="the mirror does not answer"):
        lifecycle._bring_up(where, ("north",), "uml", Progress())
    assert "the mirror does not answer" in said[0]


def test_a_region_that_could_not_be_added_is_taken_away_again(where: Places, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also out of clouds.yaml, where `lz` would look for a cloud that there is not."""

    def bring_up(*_: object) -> None:
        region.sign_in(where, list(REGIONS.values()))
        raise RuntimeError("made to fail")

    def remove(where: Places, entry: Region) -> None:
        steps.append(f"{entry.name} removed")
        shutil.rmtree(where.region(entry))

    stands(where, lifecycle.code_digest())
    monkeypatch.setattr(lifecycle, "_bring_up", bring_up)
    monkeypatch.setattr(region, "remove", remove)
    with pytest.raises(RuntimeError, match="made to fail"):
        up("south")
    assert steps == ["south removed"]
    assert list(yaml.safe_load(where.clouds.read_text())["clouds"]) == ["lab-north"]


@pytest.mark.timeout(20)
def test_ctrl_c_ends_the_waits_of_every_lane_before_anything_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane that went on for its ten minutes would find its machine gone, and keep the whole run from its end."""
    ended: list[str] = []

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    def waits() -> None:
        try:
            health._await(lambda: [Problem("not yet")], 15, 0.1)
        finally:
            ended.append(type(sys.exception()).__name__)

    monkeypatch.setattr(stopping, "_told", threading.Event())
    monkeypatch.setattr(lifecycle, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lifecycle._side_by_side([waits, waits], Progress())
    assert ended == ["KeyboardInterrupt"] * 2


def test_what_is_made_can_be_read_by_the_users_of_a_machine(
    where: Places, steps: list[str], strict: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of what a machine writes is its `/`; its services are not root."""
    upper = where.root / "upper"
    monkeypatch.setattr(lifecycle, "_bring_up", lambda *_: upper.mkdir())
    up("north")
    assert upper.stat().st_mode & 0o777 == 0o755
    assert os.umask(0o077) == 0o077, "the user's own comes back"


@pytest.mark.parametrize("keep", [False, True])
def test_a_lab_in_another_cache_is_not_half_taken_away(
    where: Places, steps: list[str], keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements, "other_labs", lambda places, mounts: [Path("/srv/other/lab")])
    monkeypatch.setattr(region, "stop", lambda where, entry: steps.append("stopped"))
    with pytest.raises(InputError) as caught:
        lifecycle.down(Progress(), keep=keep)
    assert re.fullmatch(r"take it down first: LZ_CACHE=/srv/other lz lab down", caught.value.problems[0].cure)
    assert steps == []

"""Cached trees: a removal that was killed leaves none that looks whole, and nothing for good."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from foundation.errors import LzError
from foundation.progress import Progress
from lab import debian, hostnet, lifecycle, region, requirements, trees
from lab.machine import Machine
from lab.settings import Places


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A cache with a base tree of two files and a seed, and no lab; nothing of the machine that runs the test is touched."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(Machine, "destroy", lambda machine: None)
    monkeypatch.setattr(region, "remove", lambda where, entry: None)
    for name in ("remove_namespace", "forget_range"):
        monkeypatch.setattr(hostnet, name, lambda *_: None)
    monkeypatch.setattr(lifecycle, "forget_folders", lambda: None)
    monkeypatch.setattr(requirements, "other_labs", lambda places, mounts: [])
    where = Places(tmp_path / "lab")
    for tree in (where.base(trees.base_digest()), where.seed(trees.seed_digest())):
        tree.mkdir(parents=True)
        for name in ("one", "two"):
            (tree / name).touch()
    return where


def killed(monkeypatch: pytest.MonkeyPatch, removal: Callable[[], None]) -> None:
    """Run a removal that is ended when it has removed one file."""

    def half(folder: Path) -> None:
        next(file for file in sorted(folder.rglob("*")) if file.is_file()).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", half)
        with pytest.raises(KeyboardInterrupt):
            removal()


def test_half_a_tree_is_not_taken_for_a_whole_one(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Path] = []
    monkeypatch.setattr(debian, "build_tree", lambda target, *_: built.append(target))
    monkeypatch.setattr(trees, "_make_seed", lambda places, base, layer: built.append(layer))
    killed(monkeypatch, lifecycle.forget_layers)
    base = trees.ensure_base(where, Progress())
    killed(monkeypatch, lambda: debian.remove_tree(where.seed(trees.seed_digest())))
    trees.ensure_seed(where, base, Progress())
    assert built == [where.base(trees.base_digest()), where.seed(trees.seed_digest())]


@pytest.mark.parametrize("again", [lifecycle.forget_layers, lambda: lifecycle.down(Progress())])
def test_what_a_killed_removal_left_goes_with_the_next(where: Places, monkeypatch: pytest.MonkeyPatch, again: Callable[[], None]) -> None:
    killed(monkeypatch, lifecycle.forget_layers)
    assert [path.name for path in where.root.glob("base*")] == ["base.gone"]
    again()
    assert list(where.root.glob("base*")) == []


def test_seeds_of_other_code_go_also_where_their_removal_was_killed(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = where.seed(trees.seed_digest())
    other = where.seed("f" * 64)
    shutil.copytree(ours, other)
    for _ in range(2):
        killed(monkeypatch, lambda: trees._forget_others(ours))
        assert {path.name for path in ours.parent.iterdir()} <= {ours.name, f"{other.name}.gone"}
    trees._forget_others(ours)
    assert list(ours.parent.iterdir()) == [ours]


def test_a_tree_with_mounts_below_it_keeps_its_name(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = where.base(trees.base_digest())
    monkeypatch.setattr(debian, "mounts_below", lambda path: [f"{path}/proc"] if path == tree else [])
    with pytest.raises(LzError, match="has mounts below it"):
        debian.remove_tree(tree)
    assert [file.name for file in sorted(tree.iterdir())] == ["one", "two"]


def test_a_lab_that_is_half_taken_away_does_not_stand_and_its_range_leads_nowhere_to_the_last(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed on the way leaves nothing that the next `up` takes for whole, and no packet that leaves the machine."""
    steps: list[tuple[str, bool]] = []
    where.marker.touch()
    monkeypatch.setattr(region, "remove", lambda _, entry: steps.append((entry.name, where.marker.exists())))
    monkeypatch.setattr(hostnet, "forget_range", lambda: steps.append(("range", where.marker.exists())))
    lifecycle.down(Progress())
    assert steps == [("north", False), ("south", False), ("range", False)]

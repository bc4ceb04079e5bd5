"""What test nodes stand on is made once, however many of them begin together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from foundation.progress import Progress
from tests.nodes import trees


def test_what_two_runs_lack_at_once_is_made_by_one_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, one, made = threading.Barrier(2), threading.Lock(), list[Path]()

    @contextmanager
    def workshop(base: Path) -> Iterator[tuple[Path, Path]]:
        both.wait(10)
        with one:
            yield base, base / "log"

    def make(root: Path, log: Path) -> Path:
        made.append(root / f"made-{len(made)}")
        made[-1].mkdir()
        (made[-1] / "file").touch()
        return made[-1]

    monkeypatch.setattr(trees, "_workshop", workshop)
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    with ThreadPoolExecutor(max_workers=2) as pool:
        kept = list(pool.map(lambda _: trees._once("layer", "a layer", tmp_path, ["package"], Progress(), make), range(2)))
    assert kept[0] == kept[1]
    assert [file.name for file in kept[0].iterdir()] == ["file"]
    assert len(made) == 1

"""Lists, and files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation import files
from tests.support.disk import short_of_room


def test_a_list_is_read_without_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# heading\n\none two  # why\n three\n")
    assert files.lines(file) == ["one two", "three"]
    assert files.words(file) == ["one", "two", "three"]


def test_a_file_that_is_made_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.make(path, "first")
    files.make(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.replace(path, "first", 0o644)
    assert path.stat().st_mode & 0o777 == 0o644
    files.replace(path, "second")
    assert path.read_text() == "second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_stays_whole_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "x"
    files.replace(path, "whole")
    with pytest.raises(UnicodeEncodeError):
        files.replace(path, "half \udc80")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_stays_of_a_file_that_there_is_no_room_for(tmp_path: Path) -> None:
    with short_of_room(100), pytest.raises(OSError, match="File too large"):
        files.replace(tmp_path / "x", "x" * 200)
    assert list(tmp_path.iterdir()) == []

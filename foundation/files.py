"""Files and folders that are whole or not there: lists that people write, what is written at once, what is removed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

GONE = ".gone"  # behind the name of a folder that is being removed


def lines(file: Path) -> list[str]:
    """The lines of a list, without comments (from # on) and empty ones."""
    texts = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [text for text in texts if text]


def words(file: Path) -> list[str]:
    """The words of a list, in their order."""
    return [word for line in lines(file) for word in line.split()]


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, in place of one that may be there; nobody but its owner can read it before it has its mode."""
    part = _part(path, text)
    part.chmod(mode)
    part.replace(path)


def make(path: Path, text: str) -> None:
    """Write a file of mode 0600 whole or not at all. A file that is there already stays as it is: the first writer wins."""
    part = _part(path, text)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()


def remove_folder(path: Path) -> None:
    """Remove a folder if it is there, and what a killed removal left of it.

    It loses its name first: whoever finds a folder takes it for whole.
    """
    gone = gone_of(path)
    if gone.exists():
        shutil.rmtree(gone)
    if path.exists():
        path.rename(gone)
        shutil.rmtree(gone)


def gone_of(path: Path) -> Path:
    """The name that a folder has while it is being removed."""
    return path if path.suffix == GONE else path.with_name(path.name + GONE)


@contextlib.contextmanager
def for_everybody() -> Iterator[None]:
    """What is made while the block runs, and named no mode, can be read by everybody, however strict the user's umask is."""
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


def _part(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        try:
            stream.write(text)
            stream.flush()  # a full disk is met here, not when it is closed
        except BaseException:
            part.unlink()
            raise
    return part

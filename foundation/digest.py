"""Content digests: what decides whether a cached thing is still the right one."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

_BLOCK = 1 << 20  # bytes that are read at once


def of_texts(*texts: str) -> str:
    """Hex SHA-256 over the texts, in order."""
    total = hashlib.sha256()
    for text in texts:
        data = text.encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def of_file(path: Path) -> str:
    """Hex SHA-256 of one file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sums(path: Path, *algorithms: str) -> tuple[str, ...]:
    """Hex digests of one file by several algorithms, in their order; the file is read once."""
    totals = [hashlib.new(algorithm) for algorithm in algorithms]
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            for total in totals:
                total.update(block)
    return tuple(total.hexdigest() for total in totals)


def of_trees(paths: Iterable[Path], *extra: str, without: Collection[str] = ()) -> str:
    """Hex SHA-256 over names and contents of files (folders: all below, byte-code left out) and `extra`.

    without: names of files and folders that are left out too, wherever they lie.
    """
    left_out = {"__pycache__", *without}
    parts: list[str] = list(extra)
    for root in sorted(paths):
        files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for file in files:
            if left_out.intersection(file.relative_to(root.parent).parts):
                continue
            parts += [str(file.relative_to(root.parent)), of_file(file)]
    return of_texts(*parts)

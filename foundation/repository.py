"""Debian packages that a bundle brought to this machine: one flat repository a release, below the cache."""

from __future__ import annotations

from pathlib import Path

from foundation.places import cache_root


def place(release: str) -> Path:
    """Where the packages of a release (its code name, such as "trixie") lie, or would."""
    return cache_root() / "packages" / release


def source(release: str) -> str | None:
    """The line for apt's list of sources with which it takes packages of `release` from a bundle; None when none brought any.

    Trusted without a signature: the SHA-256 of every file was checked when the bundle was unpacked (decision 0004).
    """
    return f"deb [trusted=yes] copy:{place(release)} ./" if (place(release) / "Release").is_file() else None

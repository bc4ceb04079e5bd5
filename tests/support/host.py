"""The census of this host without test nodes and golden images, which may be made and run beside the lab."""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter
from dataclasses import fields
from pathlib import Path

from foundation.places import cache_root
from lab import census

NODE = "lzn-"  # how namespaces, cgroups and links of test nodes begin
FOLDERS = ("nodes", "golden")  # of the cache: trees of test nodes and of golden images


def look() -> census.Census:
    """Count now. Says aloud, as a warning, how much of others was left out: what they do besides is taken for the lab's."""
    found = census.take()
    lines = {each.name: list(getattr(found, each.name)) for each in fields(found)}
    ours = {kind: [line for line in of_kind if not of_others(line)] for kind, of_kind in lines.items()}
    ours["processes"] = list((Counter(ours["processes"]) - Counter(_processes_of_others())).elements())
    left_out = sum(map(len, lines.values())) - sum(map(len, ours.values()))
    if left_out:
        warnings.warn(f"of test nodes and golden images on this machine {left_out} lines were left out of the census", stacklevel=2)
    return census.Census(**{kind: tuple(of_kind) for kind, of_kind in ours.items()})


def of_others(line: str) -> bool:
    """Whether a line names something of a test node or a golden image."""
    return NODE in line or any(f"{cache_root()}/{folder}/" in line for folder in FOLDERS)


def _processes_of_others() -> list[str]:
    """Command lines of processes that live in a cgroup, a network namespace or a tree of others."""
    namespaces = {path.stat().st_ino: path.name for path in Path("/run/netns").glob("*")}
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            root = f"{(entry / 'root').readlink()}/"
            place = namespaces.get((entry / "ns/net").stat().st_ino, "")
            if of_others(f"{root} {(entry / 'cgroup').read_text()} {place}") and not of_others(command):
                found.append(command)
    return found

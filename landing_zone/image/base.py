"""The Debian tree that nodes start from, before any role: the image is made of it, and test nodes stand on it."""

from __future__ import annotations

import os
from pathlib import Path

from foundation import digest, files
from foundation.places import cache
from foundation.progress import Progress
from lab import debian

PACKAGES_FILE = Path(__file__).resolve().parent / "packages.txt"
VARIANT = "important"  # mmdebstrap's name for what Debian's own installer puts on every machine


def packages() -> list[str]:
    """Names of the packages that are installed beyond Debian's important ones."""
    return files.words(PACKAGES_FILE)


def ensure(progress: Progress) -> Path:
    """The tree of the mirror that is asked for, built if it is not cached (about a minute on two idle cores)."""
    mirror = filter(None, [os.environ.get(debian.MIRROR)])  # that of a day is a pin of all packages
    what = ("node 2", debian.SUITE, debian.EPOCH, VARIANT, *debian.LEAN, *packages(), *mirror)
    tree = cache("nodes", "base") / digest.of_texts(*what)[:16]
    if not tree.exists():
        with progress.step("node tree: Debian packages (once)"):
            debian.build_tree(tree, packages(), cache("nodes", "logs") / "base.log", progress.say, variant=VARIANT)
    return tree

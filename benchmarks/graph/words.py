"""Command lines: of one step of the graph, and of a comparison in pairs."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from landing_zone.engine.runs import WIDTH
from landing_zone.engine.stack import PARALLEL


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A command line that says which cloud is meant; `doc`: its help."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--cloud", default="lab-north")
    made.add_argument("--region", default="north")
    return made


def step(doc: str | None, steps: Iterable[str]) -> argparse.Namespace:
    """What the command line of one step says."""
    words = parser(doc)
    words.add_argument("step", choices=sorted(steps))
    words.add_argument("--tenants", type=int, default=5)
    words.add_argument("--width", type=int, default=WIDTH)
    words.add_argument("--parallel", type=int, default=PARALLEL)
    return words.parse_args()


def comparison(doc: str | None, record: Path) -> argparse.ArgumentParser:
    """The command line of a comparison; `record`: where its samples go if nothing is said."""
    words = parser(doc)
    words.add_argument("--resources", type=int, default=200)
    words.add_argument("--pairs", type=int, default=3)
    words.add_argument("--record", type=Path, default=record)
    words.add_argument("--apart", action="store_true", help="the cloud on a processor of its own")
    return words

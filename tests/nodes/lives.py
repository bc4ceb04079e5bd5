"""Lives of profiles as the tests want them: `base` whole and judged by the scanner; of the others, the themes that differ."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from foundation.progress import Progress
from tests.nodes.scan import Score, scan
from tests.nodes.scenario import ROLE, Life, molecule, sequence, subject
from tests.nodes.served import collect

SCORED = "base"
FOR_ALL = frozenset({"packages", "accounts", "sudo", "ssh", "firewall"})  # what others stand on, and who gets in


@dataclass(frozen=True)
class Lived:
    """How a life went, and what the scanner said of the node after it was verified; no scores when it was not asked."""

    life: Life
    scores: tuple[Score, ...] = ()


def lifted(profile: str) -> frozenset[str]:
    """Themes in which a profile is otherwise than `base`, by the role itself."""
    lifts = yaml.safe_load((ROLE / "vars" / "profiles" / f"{profile}.yml").read_text())["__node_baseline_lifts"]
    return frozenset(theme for settings in lifts.values() for theme in settings)


def live(profile: str) -> Lived:
    """One life from nothing to nothing."""
    if profile == SCORED:
        return scored(profile)
    return Lived(molecule(profile, "test", "--", "--tags", ",".join(sorted(FOR_ALL | lifted(profile)))))


def scored(profile: str) -> Lived:
    """One life with all themes, and what the scanner says of it."""
    start = molecule(profile, "destroy")
    life, scores = molecule(profile, "test", "--destroy", "never"), tuple[Score, ...]()
    try:
        # What verifies another profile may leave the node as one of `base`.
        if life.status == 0 and (profile == SCORED or molecule(profile, "converge").status == 0):
            if "prepare" not in sequence(profile):
                collect(subject(profile))
            scores = tuple(scan(subject(profile), profile, Progress()))
    finally:
        end = molecule(profile, "destroy")
    return Lived(start + life + end, scores)

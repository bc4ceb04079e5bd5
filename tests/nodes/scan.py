"""OpenSCAP as a judge from outside: a profile's rules over a throw-away copy of a node, and the score as figures.

A rule has three results here too. What a container cannot show is named in container.yaml with its reason and counts as
"could not be evaluated", whatever the scanner says. A failed rule that we accept is named in waivers.yaml.
"""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

from foundation.progress import Progress
from landing_zone.image import base
from tests.nodes import trees
from tests.nodes.node import Node, copy, down

HERE = Path(__file__).resolve().parent
PROFILES = {"CIS level 1": "cis_level1_server", "CIS level 2": "cis_level2_server"}
RULE = "xccdf_org.ssgproject.content_rule_"
SPACE = "{http://checklists.nist.gov/xccdf/1.2}"
BAD = {"fail", "error", "unknown"}


@dataclass(frozen=True)
class Allowance:
    """One entry of waivers.yaml or container.yaml. rule: an id or a pattern of ids. date: when it was last looked at."""

    rule: str
    reason: str
    date: datetime.date


@dataclass(frozen=True)
class Score:
    """Rules that apply to the node, by how they ended. raw_passed: what the scanner itself counts as passed."""

    profile: str
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    waived: tuple[str, ...]
    unevaluated: tuple[str, ...]
    raw_passed: int
    stale: tuple[str, ...]

    def __str__(self) -> str:
        whole = len(self.passed) + len(self.failed) + len(self.waived) + len(self.unevaluated)
        return (
            f"{self.profile}: {len(self.passed)} of {whole} rules pass, {len(self.failed)} fail, {len(self.waived)} waived, "
            f"{len(self.unevaluated)} could not be evaluated here (by the scanner's own count {self.raw_passed} pass)"
        )


def exceptions(file: Path) -> tuple[Allowance, ...]:
    """The entries of a file with exceptions. Raises TypeError when one lacks its reason or its date."""
    return tuple(Allowance(**entry) for entry in yaml.safe_load(file.read_text()))


def judge(profile: str, results: Mapping[str, str], waivers: Iterable[Allowance], blind: Iterable[Allowance]) -> Score:
    """Sort the scanner's results (rule id without prefix -> its word). A waiver whose rule does not fail is stale."""
    applicable = {rule: word for rule, word in results.items() if word in {"pass", *BAD}}
    unseen = {rule for rule in applicable if any(fnmatch(rule, entry.rule) for entry in blind)}
    bad = {rule for rule, word in applicable.items() if word in BAD} - unseen
    waived = {rule for rule in bad if any(fnmatch(rule, entry.rule) for entry in waivers)}
    known = {entry.rule for entry in waivers if any(fnmatch(rule, entry.rule) for rule in applicable)}
    used = {entry.rule for entry in waivers if any(fnmatch(rule, entry.rule) for rule in bad)}
    return Score(
        profile,
        tuple(sorted(set(applicable) - unseen - bad)),
        tuple(sorted(bad - waived)),
        tuple(sorted(waived)),
        tuple(sorted(unseen)),
        sum(word == "pass" for word in applicable.values()),
        tuple(sorted(known - used)),
    )


def results_in(report: str) -> dict[str, str]:
    """Rule id without prefix -> result, from an XCCDF result file."""
    root = ET.fromstring(report)
    found = {}
    for result in root.iter(f"{SPACE}rule-result"):
        found[str(result.get("idref")).removeprefix(RULE)] = str(result.findtext(f"{SPACE}result"))
    return found


def scan(one: Node, progress: Progress) -> list[Score]:
    """Scores of every profile, taken from a copy of the node; the node sees nothing of it."""
    layer = trees.scanner(base.ensure(progress), progress)
    waivers, blind = exceptions(HERE / "waivers.yaml"), exceptions(HERE / "container.yaml")
    twin = copy(one, f"{one.home.name[:7]}S", (layer,))
    try:
        scores = []
        for title, profile in PROFILES.items():
            with progress.step(f"OpenSCAP, {title}"):
                # 0: every rule passed, 2: some did not
                command = f"oscap xccdf eval --profile {profile} --results /root/{profile}.xml /{trees.CONTENT_FILE} >/root/scan.log 2>&1"
                twin.inside("sh", "-c", f"{command}; s=$?; [ $s = 0 ] || [ $s = 2 ] || {{ tail -5 /root/scan.log >&2; exit $s; }}")
            report = twin.root / f"root/{profile}.xml"
            scores.append(judge(title, results_in(report.read_text()), waivers, blind))
        return scores
    finally:
        down(twin)

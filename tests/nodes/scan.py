"""OpenSCAP as a judge from outside: a profile's rules over a throw-away copy of a node, and the score as figures.

What a container cannot show is named in container.yaml with its reason; a copy of the node on a kernel of its own answers
it. What that cannot show either counts as "could not be evaluated", whatever the scanner says.
A failed rule that we accept is named in waivers.yaml.
"""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from xml.sax.saxutils import escape

import yaml

from foundation.progress import Progress
from landing_zone.image import base
from tests.nodes import kernel, trees
from tests.nodes.node import Node, copy, down
from tests.nodes.play import JOURNAL

HERE = Path(__file__).resolve().parent
PROFILES = {"CIS level 1": "cis_level1_server", "CIS level 2": "cis_level2_server"}
WIDEST = "CIS level 2"
# Rules that have to pass. The best of all other roles had 320 and 403, by the scanner's own count in a container.
GOALS = {"CIS level 1": 361, "CIS level 2": 461}
RULE = "xccdf_org.ssgproject.content_rule_"
VALUE = "xccdf_org.ssgproject.content_value_"
PROFILE = "xccdf_org.ssgproject.content_profile_"
SITE = "xccdf_landing-zone_profile_site"
# What the benchmark leaves to the site: which clock, which collector, and from whom kernel addresses are hidden (2: also from root).
SITE_VALUES = {"var_timesync_service": "chronyd", "var_journal_upload_url": JOURNAL, "sysctl_kernel_kptr_restrict_value": "2"}
SPACE = "{http://checklists.nist.gov/xccdf/1.2}"
BAD = {"fail", "error", "unknown"}
# Timers and services are judged when all have started, also one whose first try was before what it needs listened, and that waits
# for its next one: to systemd the boot is over by then.
STARTED = """systemctl is-system-running --wait
for second in $(seq 60); do
  [ -n "$(systemctl list-units --state=activating --plain --no-legend)" ] || exit 0
  sleep 1
done"""


@dataclass(frozen=True)
class Allowance:
    """One entry of waivers.yaml or container.yaml. rule: an id or a pattern of ids. date: when it was last looked at.

    kernel: whether a kernel of the node's own would answer it. nodes: node profiles that it is for; all when none is named.
    """

    rule: str
    reason: str
    date: datetime.date
    kernel: bool = True
    nodes: Sequence[str] = ()


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
        named = f" ({', '.join(self.waived)})" if self.waived else ""
        return (
            f"{self.profile}: {len(self.passed)} of {whole} rules pass, {len(self.failed)} fail, {len(self.waived)} waived{named}, "
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


def waivers(profile: str) -> list[Allowance]:
    """Rules that may fail on nodes of that node profile."""
    return [entry for entry in exceptions(HERE / "waivers.yaml") if not entry.nodes or profile in entry.nodes]


def scan(one: Node, profile: str, progress: Progress) -> list[Score]:
    """Scores of every profile of the benchmark, taken from a copy of the node; the node sees nothing of it. profile: the node's."""
    return judged(twin(one, progress), waivers(profile), progress)


def twin(one: Node, progress: Progress) -> Node:
    """A copy of the node with the scanner on top, booted. `judged` takes it away."""
    return copy(one, f"{one.home.name[:7]}S", (trees.scanner(base.ensure(progress), progress),))


def judged(copied: Node, waived: Iterable[Allowance], progress: Progress) -> list[Score]:
    """Scores of every profile. The copy is asked as a container first; what that cannot show, on a kernel of its own."""
    try:
        blind = exceptions(HERE / "container.yaml")
        (copied.root / "root/site.xml").write_text(tailoring())
        copied.inside("sh", "-c", STARTED)
        with progress.step("OpenSCAP"):
            # 0: every rule passed, 2: some did not
            command = f"cd /root; {oscap('all.xml')} >scan.log 2>&1; s=$?"
            copied.inside("sh", "-c", f"{command}; [ $s = 0 ] || [ $s = 2 ] || {{ tail -5 scan.log >&2; exit $s; }}")
        results = results_in((copied.root / "root/all.xml").read_text())
        copied.power_off()
        questions = asked(results, blind)
        with progress.step("what a container cannot show, on a kernel of its own"):
            answers = results_in((kernel.ask(copied.root, copied.home, oscap("some.xml", questions), progress) / "some.xml").read_text())
        results |= {rule: answers[rule] for rule in questions}
        unseen = [entry for entry in blind if not entry.kernel]
        rules = members(copied.root / trees.CONTENT_FILE)
        return [judge(title, {rule: results[rule] for rule in rules[title]}, waived, unseen) for title in PROFILES]
    finally:
        down(copied)


def members(content: Path) -> dict[str, set[str]]:
    """Rules of every profile. Raises ValueError when the widest does not have all rules of the others, as one scan is for all."""
    found = {}
    for profile in ET.parse(content).iter(f"{SPACE}Profile"):
        for title, name in PROFILES.items():
            if profile.get("id") == PROFILE + name:
                chosen = {str(entry.get("idref")) for entry in profile.iter(f"{SPACE}select") if entry.get("selected") == "true"}
                found[title] = {rule.removeprefix(RULE) for rule in chosen if rule.startswith(RULE)}
    if set().union(*found.values()) != found[WIDEST]:
        raise ValueError(f"{WIDEST} does not have every rule of {', '.join(PROFILES)}")
    return found


def asked(results: Mapping[str, str], blind: Iterable[Allowance]) -> list[str]:
    """Rules that apply, that a container cannot show and a kernel of its own can."""
    patterns = [entry.rule for entry in blind if entry.kernel]
    return sorted(rule for rule, word in results.items() if word in {"pass", *BAD} and any(fnmatch(rule, each) for each in patterns))


def oscap(report: str, rules: Iterable[str] = ()) -> str:
    """The scanner's command line. rules: only these of the widest profile; none means all."""
    only = " ".join(f"--rule {RULE}{rule}" for rule in rules)
    return f"oscap xccdf eval --tailoring-file /root/site.xml --profile {SITE} {only} --results {report} /{trees.CONTENT_FILE}"


def tailoring() -> str:
    """The widest profile with what the benchmark leaves to a site filled in, and not a rule more or less."""
    values = "".join(f'<set-value idref="{VALUE}{name}">{escape(value)}</set-value>' for name, value in SITE_VALUES.items())
    return (
        f'<Tailoring xmlns="{SPACE.strip("{}")}" id="xccdf_landing-zone_tailoring_site"><version time="2026-11-28T00:00:00">1</version>'
        f'<Profile id="{SITE}" extends="{PROFILE}{PROFILES[WIDEST]}"><title>{WIDEST}</title>{values}</Profile></Tailoring>'
    )

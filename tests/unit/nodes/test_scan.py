"""How results of a scan and the end of a play are read."""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.nodes import scan

TODAY = datetime.date(2026, 1, 1)
REPORT = """<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2"><TestResult>
<rule-result idref="xccdf_org.ssgproject.content_rule_one"><result>pass</result></rule-result>
<rule-result idref="xccdf_org.ssgproject.content_rule_two"><result>fail</result></rule-result>
</TestResult></Benchmark>"""


def allow(*rules: str) -> list[scan.Allowance]:
    return [scan.Allowance(rule, "because", TODAY) for rule in rules]


def test_results_lose_their_prefix() -> None:
    assert scan.results_in(REPORT) == {"one": "pass", "two": "fail"}


def test_what_cannot_be_seen_is_never_passed_nor_failed() -> None:
    score = scan.judge("x", {"sysctl_kernel_a": "pass", "sysctl_kernel_b": "fail", "c": "pass"}, (), allow("sysctl_kernel_*"))
    assert (score.passed, score.failed, score.unevaluated) == (("c",), (), ("sysctl_kernel_a", "sysctl_kernel_b"))
    assert score.raw_passed == 2


def test_errors_count_as_failed_and_what_does_not_apply_counts_nowhere() -> None:
    score = scan.judge("x", {"a": "error", "b": "unknown", "c": "notapplicable", "d": "notchecked", "e": "pass"}, (), ())
    assert (score.passed, score.failed) == (("e",), ("a", "b"))


def test_a_waiver_takes_a_failed_rule_and_is_stale_when_the_rule_passes() -> None:
    score = scan.judge("x", {"a": "fail", "b": "pass"}, allow("a", "b", "of_another_profile"), ())
    assert (score.waived, score.failed, score.stale) == (("a",), (), ("b",))


@pytest.mark.parametrize("name", ["waivers.yaml", "container.yaml"])
def test_every_exception_has_its_reason_and_date(name: str) -> None:
    for entry in scan.exceptions(scan.HERE / name):
        assert entry.reason
        assert isinstance(entry.date, datetime.date)


def test_an_exception_without_a_date_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("- {rule: a, reason: b}\n")
    with pytest.raises(TypeError, match="date"):
        scan.exceptions(tmp_path / "file.yaml")


def test_what_a_kernel_is_asked_is_what_applies_and_only_it_can_show() -> None:
    blind = [scan.Allowance("sysctl_*", "because", TODAY), scan.Allowance("partition_*", "because", TODAY, kernel=False)]
    results = {"sysctl_b": "fail", "sysctl_a": "pass", "sysctl_c": "notapplicable", "partition_x": "fail", "other": "pass"}
    assert scan.asked(results, blind) == ["sysctl_a", "sysctl_b"]


def test_the_site_fills_in_values_and_chooses_no_rules() -> None:
    root = ET.fromstring(scan.tailoring())
    kinds = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert kinds == {"Tailoring", "version", "Profile", "title", "set-value"}
    assert [profile.get("extends") for profile in root if profile.get("extends")] == [scan.PROFILE + scan.PROFILES[scan.WIDEST]]


def test_the_scanner_is_asked_for_all_rules_or_for_some() -> None:
    assert "--rule" not in scan.oscap("out.xml")
    assert scan.oscap("out.xml", ["a", "b"]).count(f"--rule {scan.RULE}") == 2


CONTENT = """<Benchmark xmlns="http://checklists.nist.gov/xccdf/1.2">
<Profile id="xccdf_org.ssgproject.content_profile_cis_level1_server">{one}</Profile>
<Profile id="xccdf_org.ssgproject.content_profile_cis_level2_server">{one}{two}</Profile>
</Benchmark>"""
SELECT = '<select idref="xccdf_org.ssgproject.content_rule_{}" selected="true"/>'


def test_one_scan_is_for_all_profiles_as_long_as_one_has_all_rules(tmp_path: Path) -> None:
    file = tmp_path / "content.xml"
    file.write_text(CONTENT.format(one=SELECT.format("a"), two=SELECT.format("b")))
    assert scan.members(file) == {"CIS level 1": {"a"}, "CIS level 2": {"a", "b"}}
    file.write_text(file.read_text().replace("level1", "X").replace("level2", "level1").replace("X", "level2"))
    with pytest.raises(ValueError, match="does not have every rule"):
        scan.members(file)

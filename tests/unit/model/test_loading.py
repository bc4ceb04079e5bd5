"""Loading a file from end to end: whatever is in it, there is an environment or a clear refusal, never a traceback."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foundation.errors import InputError, Problem
from landing_zone.model import load
from tests.unit.model.support import ENVIRONMENTS, SHIPPED, shipped

ANY_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def tried(path: Path) -> str:
    """What a refusal says, "" when the file is accepted."""
    problems: tuple[Problem, ...] = ()
    try:
        load(path)
    except InputError as error:
        problems = error.problems
    assert all(problem.what and problem.where and problem.cure for problem in problems)
    return "\n".join(map(str, problems))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_load(name: str) -> None:
    assert load(shipped(name)).code


@pytest.mark.parametrize(("name", "agencies"), [("national-cgc", {"M": 14, "A": 3, "P": 34}), ("regional-dc", {"P": 34})])
def test_no_ministry_agency_or_province_is_missing(name: str, agencies: dict[str, int]) -> None:
    tenants = load(shipped(name)).tenants
    assert Counter(tenant.dti_code.removeprefix("LZ-")[0] for tenant in tenants) == agencies
    assert len({tenant.dti_code for tenant in tenants}) == len(tenants)


@pytest.mark.parametrize(
    ("text", "words"), [("- a\n", "must be a mapping"), ("7\n", "must be a mapping"), ("a: 1\n", "the key 'code' is missing")]
)
def test_files_of_another_shape(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "env.yaml"
    path.write_text(text, encoding="utf-8")
    assert words in tried(path)
    assert f"{path}:1" in tried(path)


@settings(max_examples=100, suppress_health_check=ANY_FOLDER)
@given(text=st.text(max_size=80))
def test_any_text_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "env.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    assert tried(path)


def test_a_damaged_file_is_refused_in_words(tmp_path: Path) -> None:
    """Characters of a shipped file changed, lost and doubled at random: no other error than a refusal."""
    chance = random.Random(7)
    original = shipped("lab").read_text(encoding="utf-8")
    path = tmp_path / "env.yaml"
    refused = 0
    for _ in range(150):
        at = chance.randrange(len(original))
        broken = (
            original[:at]
            + chance.choice(["", "{", "}", "- ", ":", "\t", "'", "&a ", "*a", "9", "\x07", "#"])
            + original[at + chance.randint(0, 3) :]
        )
        path.write_text(broken, encoding="utf-8")
        refused += bool(tried(path))
    assert refused > 50


def test_a_wrong_row_of_a_register_is_named_by_its_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "registers").mkdir()
    register = (ENVIRONMENTS / "registers" / "provinces.csv").read_text(encoding="utf-8")
    lines = register.replace("LZ-P12,", "lz p12,").replace(
        "Son La Provincial People's Committee,3", "Son La Provincial People's Committee,five"
    )
    (tmp_path / "registers" / "provinces.csv").write_text(lines, encoding="utf-8")
    path = tmp_path / "env.yaml"
    path.write_text(shipped("regional-dc").read_text(encoding="utf-8"), encoding="utf-8")
    message = tried(path)
    for code, key in (("laichau", "tenants[4].dti_code"), ("sonla", "tenants[5].level")):
        line = next(number for number, text in enumerate(lines.splitlines(), start=1) if text.startswith(code))
        assert f"{tmp_path / 'registers' / 'provinces.csv'}:{line}, key {key}" in message
    assert message.count("cure:") == 2


def test_what_the_head_line_of_a_register_has_wrong_is_told_once_and_not_for_each_row(tmp_path: Path) -> None:
    (tmp_path / "registers").mkdir()
    register = (ENVIRONMENTS / "registers" / "provinces.csv").read_text(encoding="utf-8")
    spoiled = register.replace("name.en,level", "name.english,Level").replace(",LZ-P12,", ",,").replace(",LZ-P14,", ",,")
    (tmp_path / "registers" / "provinces.csv").write_text(spoiled, encoding="utf-8")
    path = tmp_path / "env.yaml"
    path.write_text(shipped("regional-dc").read_text(encoding="utf-8"), encoding="utf-8")
    message = tried(path)
    said = [
        "the key 'level' is missing",
        "unknown key 'Level'",
        "the key 'en' is missing",
        "unknown key 'english'",
        "the key 'dti_code' is missing",
    ]
    assert [message.count(each) for each in said] == [1, 1, 1, 1, 2]
    assert message.count("cure:") == 6


UNREADABLE = ("!!int abc", "!!float x", "9" * 5000)


@pytest.mark.parametrize("written", UNREADABLE)
@pytest.mark.parametrize(("key", "found"), [("level", "level: 1"), ("regions[0].latitude", "latitude: 21.0285")])
def test_a_number_that_cannot_be_read_is_refused_with_its_key(tmp_path: Path, written: str, key: str, found: str) -> None:
    lines = shipped("lab").read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip() == found)
    lines[at] = lines[at].replace(found, f"{found.partition(':')[0]}: {written}")
    path = tmp_path / "env.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    value = written.rpartition(" ")[2][:20]
    assert f'{path}:{at + 1}, key {key}, value "{value}' in tried(path)


@pytest.mark.parametrize("column", ["level", "size"])
def test_a_number_in_a_register_that_cannot_be_read_is_refused_with_its_key(tmp_path: Path, column: str) -> None:
    register = tmp_path / "more.csv"
    register.write_text(f"code,dti_code,name.vi,name.en,{column}\nmore,LAB-09,Thêm,More,{'9' * 5000}\n", encoding="utf-8")
    path = tmp_path / "env.yaml"
    path.write_text(shipped("lab").read_text(encoding="utf-8") + "  - !include more.csv\n", encoding="utf-8")
    assert f'{register}:2, key tenants[3].{column}, value "999' in tried(path)

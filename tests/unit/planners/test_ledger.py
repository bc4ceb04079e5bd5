"""The ledger: nobody's slots move, whatever comes and goes; removed ones stay retired until released."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InputError
from landing_zone.planners.ledger import Ledger, LedgerError, Run, assign, release
from landing_zone.planners.ledgerfile import ledger_path, load_ledger, render, save_ledger

SLOTS = range(5, 64)
CODES = [f"t{number}" for number in range(12)]
TENANTS = st.dictionaries(st.sampled_from(CODES), st.just(1), max_size=12)
SIZES = st.fixed_dictionaries({code: st.sampled_from([1, 1, 2, 4]) for code in CODES})


def spans(ledger: Ledger) -> list[set[int]]:
    return [set(range(run.start, run.start + run.count)) for run in (*ledger.slots.values(), *ledger.retired.values())]


@settings(max_examples=150)
@given(sizes=SIZES, steps=st.lists(st.tuples(st.sets(st.sampled_from(CODES)), st.sampled_from(["", *CODES])), max_size=8))
def test_stable_under_any_sequence_of_additions_removals_and_releases(sizes: dict[str, int], steps: list[tuple[set[str], str]]) -> None:
    ledger = Ledger()
    held: dict[str, Run] = {}
    for wanted, freed in steps:
        ledger = assign(ledger, {code: sizes[code] for code in wanted}, SLOTS)
        assert set(ledger.slots) == wanted
        known = {**ledger.slots, **ledger.retired}
        assert all(known[code] == run for code, run in held.items())
        assert all(run.count == sizes[code] and run.start % run.count == 0 for code, run in ledger.slots.items())
        taken = spans(ledger)
        assert sum(map(len, taken)) == len(set().union(*taken))
        assert all(SLOTS.start <= slot < SLOTS.stop for span in taken for slot in span)
        held = dict(known)
        if freed in ledger.retired:
            ledger = release(ledger, freed)
            del held[freed]


@given(wanted=TENANTS)
def test_deterministic_and_settled_after_the_first_time(wanted: dict[str, int]) -> None:
    once = assign(Ledger(), wanted, SLOTS)
    assert assign(Ledger(), dict(reversed(wanted.items())), SLOTS) == once
    assert assign(once, wanted, SLOTS) == once


@pytest.mark.parametrize(
    "ledger",
    [
        Ledger(slots={"a": Run(7, 1), "b": Run(7, 1), "c": Run(8, 1)}),
        Ledger(slots={"a": Run(6, 2), "c": Run(9, 1)}, retired={"b": Run(7, 1)}),
    ],
)
def test_slots_that_two_branches_gave_out_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError) as caught:
        assign(ledger, {"a": ledger.slots["a"].count, "c": 1}, SLOTS)
    (problem,) = caught.value.problems
    assert problem.what == "tenants a and b have the same address slots"
    assert problem.where == "ledger, slot 7"
    assert "lz status" in problem.cure


def test_a_returning_tenant_gets_its_own_slots_back() -> None:
    first = assign(Ledger(), {"a": 1, "b": 1}, SLOTS)
    gone = assign(first, {"b": 1}, SLOTS)
    assert gone.retired == {"a": first.slots["a"]}
    newcomer = assign(gone, {"b": 1, "c": 1}, SLOTS)
    assert newcomer.slots["c"] not in first.slots.values()
    assert assign(newcomer, {"a": 1, "b": 1, "c": 1}, SLOTS).slots["a"] == first.slots["a"]
    assert assign(release(gone, "a"), {"b": 1, "c": 1}, SLOTS).slots["c"] == first.slots["a"]


def test_release_of_what_is_in_use_or_unknown_is_refused() -> None:
    ledger = assign(Ledger(), {"a": 1}, SLOTS)
    for code in ("a", "b"):
        with pytest.raises(KeyError):
            release(ledger, code)


@pytest.mark.parametrize(
    ("ledger", "wanted", "slots", "words"),
    [
        (Ledger(), {f"t{number}": 1 for number in range(5)}, range(2, 6), "no run of 1 address slots is left for tenant t4"),
        (Ledger(retired={"gone": Run(2, 4)}), {"a": 1}, range(2, 6), "4 of 4 slots are taken, 4 of them by tenants that are gone"),
        (Ledger(slots={"a": Run(2, 1)}), {"a": 2}, range(2, 6), "cannot change its size from 1 to 2"),
        (Ledger(retired={"a": Run(2, 1)}), {"a": 2}, range(2, 6), "lz ledger release a"),
    ],
)
def test_what_would_move_addresses_is_refused(ledger: Ledger, wanted: dict[str, int], slots: range, words: str) -> None:
    with pytest.raises(LedgerError) as caught:
        assign(ledger, wanted, slots)
    assert words in str(caught.value)
    assert "cure:" in str(caught.value)


def test_file_beside_the_environment(tmp_path: Path) -> None:
    environment = tmp_path / "lab.yaml"
    assert load_ledger(environment) == Ledger()
    ledger = Ledger({"sizes": "slot /22", "region north": "10.0.0.0 fd00::"}, {"a": Run(4, 2)}, {"b": Run(6, 1)})
    assert save_ledger(environment, ledger)
    assert not save_ledger(environment, ledger)
    assert load_ledger(environment) == ledger
    assert [path.name for path in tmp_path.iterdir()] == ["lab.ledger.yaml"]
    assert "  a: {start: 4, count: 2}\n" in render(ledger)


@pytest.mark.parametrize("code", ["no", "on", "off", "yes", "true", "null"])
def test_a_code_that_yaml_could_take_for_another_value_keeps_its_slots(tmp_path: Path, code: str) -> None:
    environment = tmp_path / "lab.yaml"
    ledger = Ledger({"sizes": "slot /22"}, {code: Run(4, 2)}, {f"{code}1": Run(6, 1)})
    save_ledger(environment, ledger)
    assert load_ledger(environment) == ledger


@pytest.mark.parametrize(
    "text",
    [
        "",
        "slots: 1\n",
        "layout: {}\nslots: {a: {start: -1, count: 1}}\nretired: {}\n",
        "layout: {}\nslots: {a: {start: 1, count: 0}}\nretired: {}\n",
        "layout: {}\nslots: {a: 3}\nretired: {}\n",
        "{",
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    environment = tmp_path / "lab.yaml"
    ledger_path(environment).write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_ledger(environment)
    assert "restore it from version control" in str(caught.value)

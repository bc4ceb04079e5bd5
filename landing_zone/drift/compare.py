"""Facts that are wanted against facts that are there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from landing_zone.drift.facts import UNSEEN, Difference, Fact, Value
from landing_zone.drift.kinds import KINDS

Key = tuple[str, str]


def compare(region: str, wanted: Iterable[Fact], live: Iterable[Fact], known: Collection[str]) -> list[Difference]:
    """What is missing, changed or not in the model, in the order of the kinds.

    A thing that the state can know is recognised by its id, so that one of the same name made by hand does not pass for ours
    and a renamed one is not taken for a new one; any other by its name. What goes away with something else that is found is
    not told by itself. `known` are the ids that the states know.
    """
    there = {_key(fact): fact for fact in live}
    found: list[Difference] = []
    gone: set[str] = set()
    for want in wanted:
        have = there.pop(_key(want), None)
        if have is None:
            found.append(Difference(region, "missing", want, managed=bool(want.id)))
            gone.add(want.id)
        elif changed := _differing(want, have):
            found.append(Difference(region, "changed", want, tuple(changed.values()), True, tuple(changed)))
    found += [Difference(region, "not in the model", fact, tuple(_told(fact)), fact.id in known) for fact in there.values()]
    gone |= {fact.id for fact in there.values()}
    order = {kind: place for place, kind in enumerate(KINDS)}
    told = [one for one in found if not (one.fact.parent and one.fact.parent in gone)]
    return sorted(told, key=lambda one: (order[one.fact.kind], one.fact.name, one.finding))


def _key(fact: Fact) -> Key:
    return fact.kind, fact.id or fact.name


def _differing(want: Fact, have: Fact) -> dict[str, str]:
    """What differs, as a sentence each, by attribute. Of a thing that is known by its id the name may differ, too."""
    named = bool(KINDS[want.kind].resource)
    wanted = {"name": want.name, **want.values} if named else want.values
    seen = {"name": have.name, **have.values} if named else have.values
    return {
        attribute: f"{attribute}: {_said(seen.get(attribute))} instead of {_said(value)}"
        for attribute, value in wanted.items()
        if seen.get(attribute) not in (value, UNSEEN)
    }


def _told(fact: Fact) -> Iterator[str]:
    """What is worth to be known of a thing that nobody planned."""
    for attribute, value in fact.values.items():
        if value not in (None, "", ()):
            yield f"{attribute}: {_said(value)}"


def _said(value: Value) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value) or "none"

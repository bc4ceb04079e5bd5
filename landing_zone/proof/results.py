"""The result of one check. The third result is never shown as the first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Verdict(Enum):
    """How a check came out."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "could not be evaluated"


@dataclass(frozen=True)
class Result:
    """One check: the control behind it, where and what was checked, how it came out and what was seen."""

    control: str
    region: str
    check: str
    verdict: Verdict
    seen: str


class Judged(Protocol):
    """What came out one of three ways."""

    @property
    def verdict(self) -> Verdict:
        """How."""


def worst(results: Iterable[Judged]) -> Verdict:
    """FAIL when any failed, else UNKNOWN when any could not be evaluated or there is none, else PASS."""
    verdicts = {result.verdict for result in results}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    return Verdict.PASS if verdicts == {Verdict.PASS} else Verdict.UNKNOWN

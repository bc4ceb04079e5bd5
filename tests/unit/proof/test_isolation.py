"""What a tenant sees of another one: nothing, and only if it does see its own."""

from __future__ import annotations

from unittest.mock import MagicMock

from openstack.exceptions import ForbiddenException, HttpException, NotFoundException

from landing_zone.proof.isolation import check_pair
from landing_zone.proof.results import Verdict

OWN = {"network": {"edu-app": "n-edu"}}
OTHERS = {"network": {"health-app": "n-health"}, "project": {"health-main": "p-health"}}


def connection(visible: set[str], error: Exception | None = None) -> MagicMock:
    def get(identity: str) -> str:
        if identity in visible:
            return identity
        raise error or NotFoundException("no")

    made = MagicMock()
    made.network.get_network.side_effect = get
    made.identity.get_project.side_effect = get
    return made


def verdicts(made: MagicMock) -> dict[str, Verdict]:
    return {result.control: result.verdict for result in check_pair(made, "north", "edu", OWN, "health", OTHERS)}


def test_blind_for_the_other_and_not_for_itself_passes() -> None:
    assert verdicts(connection({"n-edu"})) == {"NET-04": Verdict.PASS, "IAM-01": Verdict.PASS}


def test_forbidden_is_as_good_as_not_found() -> None:
    made = connection({"n-edu"})
    made.identity.get_project.side_effect = ForbiddenException("no")
    assert verdicts(made)["IAM-01"] is Verdict.PASS


def test_seeing_anything_of_the_other_fails() -> None:
    found = verdicts(connection({"n-edu", "n-health"}))
    assert found == {"NET-04": Verdict.FAIL, "IAM-01": Verdict.PASS}


def test_blindness_for_its_own_proves_nothing() -> None:
    assert verdicts(connection(set())) == {"NET-04": Verdict.UNKNOWN, "IAM-01": Verdict.UNKNOWN}


def test_a_broken_api_proves_nothing() -> None:
    assert verdicts(connection({"n-edu"}, HttpException("500")))["NET-04"] is Verdict.UNKNOWN

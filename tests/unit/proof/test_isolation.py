"""What a tenant sees of others: nothing, and only if it does see its own."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from keystoneauth1.exceptions import ClientException, ConnectFailure, ConnectTimeout, EndpointNotFound
from openstack.exceptions import ForbiddenException, HttpException, NotFoundException
from requests import Response

from landing_zone.proof.isolation import check
from landing_zone.proof.results import Verdict, worst

LISTED = {"network": "networks", "subnet": "subnets", "router": "routers", "security-group": "security_groups"}
ASKED_FOR = {"project": "get_project", "domain": "get_domain", "group": "get_group"}


def ids(tenant: str) -> dict[str, dict[str, str]]:
    """What a tenant's stack gives out: one thing of each kind."""
    return {kind: {f"{tenant}-{kind}": f"{kind}:{tenant}"} for kind in (*LISTED, *ASKED_FOR)}


OWN, OTHERS, PORTAL = ids("edu"), ids("health"), {"network": {"portal-app": "network:portal"}}
ALL = {"edu": OWN, "health": OTHERS, "portal": PORTAL}


def connection(visible: set[str], error: Exception | None = None) -> MagicMock:
    def get(identity: str) -> str:
        if identity in visible:
            return identity
        raise error or NotFoundException("no")

    def listed(kind: str) -> list[SimpleNamespace]:
        if error:
            raise error
        return [SimpleNamespace(id=identity) for identity in sorted(visible) if identity.startswith(f"{kind}:")]

    made = MagicMock()
    for kind, method in LISTED.items():
        getattr(made.network, method).side_effect = partial(listed, kind)
    made.network.get_network.side_effect = get
    for kind, method in ASKED_FOR.items():
        getattr(made.identity, method).side_effect = lambda identity, kind=kind: get(identity if identity.startswith(f"{kind}:") else "")
    made.current_project_id = "project:edu"
    made.object_store.get_endpoint.return_value = "https://store.example/v1/AUTH_project:edu"
    made.object_store.head.side_effect = lambda url: answer(204 if url.removeprefix("https://store.example/v1/AUTH_") in visible else 403)
    return made


def answer(status: int) -> Response:
    made = Response()
    made.status_code = status
    return made


def verdicts(made: MagicMock) -> dict[str, Verdict]:
    found = list(check(made, "north", "edu", "health", ALL))
    return {control: worst([one for one in found if one.control == control]) for control in {one.control for one in found}}


def test_blind_for_the_other_and_not_for_itself_passes() -> None:
    assert verdicts(connection({"network:edu", "project:edu"})) == {"NET-04": Verdict.PASS, "IAM-01": Verdict.PASS, "STO-05": Verdict.PASS}


def test_forbidden_is_as_good_as_not_found() -> None:
    made = connection({"network:edu"})
    made.identity.get_project.side_effect = ForbiddenException("no")
    assert verdicts(made)["IAM-01"] is Verdict.PASS


@pytest.mark.parametrize("other", ["network:portal", *(f"{kind}:health" for kind in LISTED)])
def test_seeing_anything_of_any_other_fails(other: str) -> None:
    found = verdicts(connection({"network:edu", "project:edu", other}))
    assert found == {"NET-04": Verdict.FAIL, "IAM-01": Verdict.PASS, "STO-05": Verdict.PASS}


@pytest.mark.parametrize("kind", ["domain", "group"])
def test_reading_what_is_another_ones_identity_fails(kind: str) -> None:
    found = verdicts(connection({"network:edu", "project:edu", f"{kind}:health"}))
    assert found == {"NET-04": Verdict.PASS, "IAM-01": Verdict.FAIL, "STO-05": Verdict.PASS}


def test_reading_another_ones_project_fails() -> None:
    made = connection({"network:edu", "project:edu"})
    made.identity.get_project.side_effect = lambda identity: identity
    assert verdicts(made)["IAM-01"] is Verdict.FAIL


def test_a_store_that_answers_its_own_tenant_no_better_proves_nothing() -> None:
    """That it sees its networks says nothing of a store that is shut to everybody."""
    assert verdicts(connection({"network:edu"})) == {"NET-04": Verdict.PASS, "IAM-01": Verdict.PASS, "STO-05": Verdict.UNKNOWN}


def test_an_error_is_not_taken_for_blindness() -> None:
    made = connection({"network:edu", "project:edu"})
    made.identity.get_group.side_effect = HttpException("500")
    assert verdicts(made) == {"NET-04": Verdict.PASS, "IAM-01": Verdict.UNKNOWN, "STO-05": Verdict.PASS}


def test_seeing_into_the_others_object_storage_fails() -> None:
    made = connection({"network:edu", "project:edu"})
    made.object_store.head.side_effect = lambda url: answer(204)
    assert verdicts(made) == {"NET-04": Verdict.PASS, "IAM-01": Verdict.PASS, "STO-05": Verdict.FAIL}


def test_blindness_for_its_own_proves_nothing() -> None:
    assert verdicts(connection(set())) == {"NET-04": Verdict.UNKNOWN, "IAM-01": Verdict.UNKNOWN, "STO-05": Verdict.UNKNOWN}


def test_a_broken_api_proves_nothing() -> None:
    assert verdicts(connection({"network:edu"}, HttpException("500")))["NET-04"] is Verdict.UNKNOWN


@pytest.mark.parametrize("error", [ConnectFailure("no"), ConnectTimeout("no"), EndpointNotFound("no")])
def test_a_service_that_is_away_hides_nothing_of_the_others(error: ClientException) -> None:
    """None of these is an error of the SDK."""
    made = connection({"network:edu", "project:edu"}, error)
    made.network.get_network.side_effect = made.object_store.head.side_effect = error
    found = list(check(made, "north", "edu", "health", ALL))
    assert [one.verdict for one in found] == [Verdict.UNKNOWN] * len(found)
    assert [one.check for one in found] == [one.check for one in check(connection({"network:edu"}), "north", "edu", "health", ALL)]

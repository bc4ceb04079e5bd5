"""Limits of object storage and of the key manager: set when they are other than what was set last, told when they cannot be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openstack.exceptions import SDKException
from requests import Response

from foundation.errors import LzError
from landing_zone.engine import limits
from landing_zone.engine.home import Home
from landing_zone.engine.limits import READERS
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from landing_zone.planners.quotas import KEYS, OBJECTS
from tests.unit.engine.support import FakeStacks, plan

IDENTITY, TENANT, NETWORK = (StackKey("lab", "north", layer) for layer in ("identity", "tenant-edu", "network"))
IDS = {"lab-edu-network": "p-net", "lab-edu-main": "p-main"}
STORE = "https://store.example/v1/AUTH_"


def answer(status: int = 204, headers: dict[str, str] | None = None, **body: Any) -> Response:
    made = Response()
    made.status_code = status
    made.headers.update(headers or {})
    made._content = json.dumps(body).encode()
    return made


@dataclass
class Service:
    """Answers as it is told to, else with 204, and remembers what was asked of it: method, path, and what came with it."""

    answers: dict[tuple[str, str], Response] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    endpoint: str = f"{STORE}own"

    def get_endpoint(self) -> str:
        return self.endpoint

    def __getattr__(self, method: str) -> Any:
        def call(path: str, **settings: Any) -> Response:
            self.asked.append((method, path, settings.get("json") or settings.get("headers")))
            return self.answers.get((method, path), answer())

        return call


@dataclass
class Cloud:
    object_store: Service = field(default_factory=Service)
    key_manager: Service = field(default_factory=Service)
    compute: Service = field(default_factory=Service)
    network: Service = field(default_factory=Service)
    block_storage: Service = field(default_factory=Service)
    dns: Service = field(default_factory=Service)
    current_project_id: str = "own"


def run(root: Path, cloud: Any, **ids: str) -> Run:
    stacks: Any = FakeStacks(Home(root), stands={TENANT.name}, ids={"tenant-edu": [{"project": ids or IDS}]})
    return Run(plan(), stacks, {}, {"north": cloud}, lambda _: None)


def test_limits_of_every_project_of_a_stack_are_set_once(tmp_path: Path) -> None:
    cloud = Cloud()
    here = run(tmp_path, cloud)
    for _ in range(2):
        limits.ensure(here, [TENANT, NETWORK, IDENTITY])
    assert sorted(cloud.object_store.asked) == [
        ("post", f"{STORE}p-main", {"X-Account-Meta-Quota-Bytes": str(50 * 2**30)}),
        ("post", f"{STORE}p-net", {"X-Account-Meta-Quota-Bytes": "0"}),
    ]
    assert sorted(cloud.key_manager.asked, key=lambda each: each[1]) == [
        ("put", "/project-quotas/p-main", {"project_quotas": {"secrets": 20, "containers": 20}}),
        ("put", "/project-quotas/p-net", {"project_quotas": {"secrets": 0, "containers": 0}}),
    ]


@pytest.mark.parametrize("kept", [None, "", '{"lab-edu-main": {"key-manager": {"secrets": 1, "containers": 1}}}'])
def test_what_is_to_be_set_is_told_until_it_is_kept(kept: str | None, tmp_path: Path) -> None:
    here = run(tmp_path, Cloud())
    if kept is not None:
        here.stacks.home.limits(TENANT.name).write_text(kept)
    told = limits.due(here, [TENANT, NETWORK, IDENTITY])
    assert {key: sorted(each) for key, each in told.items()} == {TENANT: ["lab-edu-main", "lab-edu-network"]}
    limits.ensure(here, [TENANT])
    assert limits.due(here, [TENANT]) == {}


def test_a_stack_of_a_region_or_tenant_that_is_no_longer_planned_has_none(tmp_path: Path) -> None:
    gone = [StackKey("lab", "east", "identity"), StackKey("lab", "north", "tenant-old")]
    stacks: Any = FakeStacks(Home(tmp_path), stands={key.name for key in gone})
    assert limits.due(Run(plan(), stacks, {}, {}, lambda _: None), gone) == {}


def test_what_cannot_be_set_is_told_project_by_project_and_due_again(tmp_path: Path) -> None:
    cloud = Cloud(Service({("post", f"{STORE}p-main"): answer(403)}))
    here = run(tmp_path, cloud, **{"lab-edu-main": "p-main"})
    with pytest.raises(LzError) as caught:
        limits.ensure(here, [TENANT])
    told = sorted((problem.what, problem.why) for problem in caught.value.problems)
    assert [what for what, _ in told] == [
        "the limits of key-manager of project lab-edu-network could not be set",
        "the limits of object-store of project lab-edu-main could not be set",
        "the limits of object-store of project lab-edu-network could not be set",
    ]
    assert "before the project was there" in told[0][1]
    assert "403" in told[1][1]
    assert set(limits.due(here, [TENANT])) == {TENANT}


def test_a_store_whose_address_has_no_project_is_told(tmp_path: Path) -> None:
    cloud: Any = Cloud(Service(endpoint="https://store.example/swift/v1"))
    with pytest.raises(SDKException, match="does not end with the id of a project"):
        READERS[OBJECTS](cloud, "p")


@pytest.mark.parametrize(
    ("headers", "figure"),
    [
        ({}, -1),
        ({"X-Account-Meta-Quota-Bytes": "5"}, 5),
        ({"X-Account-Meta-Quota-Bytes": "5", "X-Account-Quota-Bytes": "7"}, 7),
        ({"X-Account-Quota-Bytes": "0"}, 0),
    ],
)
def test_how_a_limit_of_object_storage_reads(headers: dict[str, str], figure: int) -> None:
    cloud: Any = Cloud(Service({("head", f"{STORE}p"): answer(headers=headers), ("head", f"{STORE}gone"): answer(410)}))
    assert READERS[OBJECTS](cloud, "p") == {"bytes": figure}
    assert READERS[OBJECTS](cloud, "gone") == {"bytes": -1}


def test_how_limits_of_the_key_manager_read() -> None:
    found = answer(200, project_quotas={"secrets": 0, "containers": None, "orders": 3})
    cloud: Any = Cloud(key_manager=Service({("get", "/project-quotas/p"): found, ("get", "/project-quotas/q"): answer(404)}))
    assert READERS[KEYS](cloud, "p") == {"secrets": 0, "containers": -1}
    assert READERS[KEYS](cloud, "q") == {"secrets": -1, "containers": -1}


def of_account(**answers: Response) -> Any:
    return Cloud(Service({(method, f"{STORE}p"): each for method, each in answers.items()}))


def asked(cloud: Any) -> list[str]:
    return [method for method, _, _ in cloud.object_store.asked]


def test_an_empty_account_goes_with_its_limit() -> None:
    cloud = of_account(head=answer(headers={"X-Account-Container-Count": "0"}))
    limits.clear(cloud, plan().regions["north"].demand.services, ["p"])
    assert asked(cloud) == ["head", "delete"]
    assert cloud.key_manager.asked == [("delete", "/project-quotas/p", None)]
    assert cloud.compute.asked == cloud.block_storage.asked == [("delete", "/os-quota-sets/p", None)]
    assert cloud.network.asked == [("delete", "/quotas/p", None)]
    assert cloud.dns.asked == [("delete", "/quotas/p", {"X-Auth-All-Projects": "true"})]


def test_of_an_account_that_has_something_only_the_limit_goes() -> None:
    cloud = of_account(head=answer(headers={"X-Account-Container-Count": "1"}))
    limits.clear(cloud, (OBJECTS,), ["p"])
    assert cloud.object_store.asked[1:] == [("post", f"{STORE}p", {"X-Remove-Account-Meta-Quota-Bytes": "x"})]


def test_nor_goes_one_where_accounts_are_not_removed_by_call() -> None:
    cloud = of_account(delete=answer(405))
    limits.clear(cloud, (OBJECTS,), ["p"])
    assert asked(cloud) == ["head", "delete", "post"]


@pytest.mark.parametrize("status", [404, 410, 403])
def test_what_is_not_there_or_never_was_ours_is_let_be(status: int) -> None:
    cloud = of_account(head=answer(status))
    cloud.key_manager = Service({("delete", "/project-quotas/p"): answer(status)})
    limits.clear(cloud, (OBJECTS, KEYS), ["p"])
    assert asked(cloud) == ["head"]


def test_a_store_that_is_ill_is_told_and_keeps_the_rest_for_the_next_run() -> None:
    with pytest.raises(SDKException):
        limits.clear(of_account(head=answer(500)), (OBJECTS,), ["p"])

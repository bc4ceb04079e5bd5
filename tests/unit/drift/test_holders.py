"""What only members of a project see of it: who looks there, what is found, and how it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import ForbiddenException, HttpException, NotFoundException
from requests import Response

from landing_zone.drift import holders, repair
from landing_zone.drift.estate import estate
from landing_zone.drift.facts import Difference, Fact
from landing_zone.drift.others import Others, remove
from landing_zone.drift.reading import read
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run
from stacks.inputs import password_name
from tests.unit.planners.support import planned

SERVICES = ("network", "object-store", "key-manager")


def test_containers_are_looked_for_in_every_project_of_the_platform_and_of_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned("ministry-agc")
    region = plan.regions["north"]
    projects = [*region.identity.projects, *(project for tenant in region.tenants.values() for project in tenant.identity.projects)]
    ids = {project.name: f"p:{project.name}" for project in projects}
    monkeypatch.setattr(holders, "as_machine", lambda run, region, user, project: (user.name, project))
    found: Any = holders.accounts(Run(plan, MagicMock(), {}, {}, lambda _: None), region, ids)
    assert {f"p:{project.name}" for project in projects if project.purpose != "network"} == set(found)
    assert found["p:agc-platform-backup"] == ("agc-platform-automation", "agc-platform-backup")


def test_a_tenant_that_the_file_does_not_have_any_more_is_looked_into_by_the_account_of_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: list[dict[str, Any]] = [
        {"type": holders.PROJECT, "id": "d:gone", "inputs": {"name": "lab-gone", "isDomain": True}},
        {"type": holders.PROJECT, "id": "p:net", "inputs": {"name": "lab-gone-network", "domainId": "d:platform"}},
        {"type": holders.PROJECT, "id": "p:main", "inputs": {"name": "lab-gone-main", "domainId": "d:gone"}},
        {"type": holders.PROJECT, "id": "p:stays", "inputs": {"name": "lab-gone-stays", "domainId": "d:gone"}},
        {"type": holders.USER, "id": "u", "inputs": {"name": "lab-gone-automation", "domainId": "d:gone"}},
        {"type": "pulumi:providers:pulumi", "id": "a"},  # has no inputs at all
        {"type": holders.USER, "inputs": {"name": "half-made", "domainId": "d:gone"}},
    ]
    monkeypatch.setattr(holders, "as_machine", lambda run, region, user, project: (user.name, user.domain, project))
    home = Home(tmp_path)
    run = Run(planned("lab"), MagicMock(home=home), {}, {}, lambda _: None)
    region, projects = run.plan.regions["north"], ["p:net", "p:main"]
    assert holders.former(run, region, [state], projects) == {}, "its password is not kept here"
    home.secret(password_name("north", "lab-gone-automation"))
    found: Any = holders.former(run, region, [state, []], projects)
    assert found == {"p:main": ("lab-gone-automation", "lab-gone", "lab-gone-main")}


def test_a_password_that_is_not_kept_is_not_made_up(tmp_path: Path) -> None:
    """`lz drift` changes nothing: a new one would be wrong, and in the way of the one that `lz state restore` brings."""
    plan = planned("lab")
    region, home = plan.regions["north"], Home(tmp_path)
    ids = {project.name: f"p:{project.name}" for project in region.identity.projects}
    run = Run(plan, MagicMock(home=home), {}, {}, lambda _: None)
    assert holders.accounts(run, region, ids) == {}
    assert holders.strangers(run, region, ids) == ["lab-platform-automation"]
    assert not list(tmp_path.iterdir())
    home.secret(password_name("north", "lab-platform-automation"))
    assert holders.strangers(run, region, ids) == []


def test_a_container_goes_with_its_objects_by_the_account_of_its_project() -> None:
    admin, store = MagicMock(), MagicMock()
    store.object_store.objects.return_value = ["a", "b"]
    fact = Fact("container", "papers", "", {}, "", "p:main")
    assert remove(Others("north", (fact,), {"p:main": store}), admin) == []
    assert [call.args[0] for call in store.object_store.delete_object.call_args_list] == ["a", "b"]
    store.object_store.delete_container.assert_called_once_with("papers")
    admin.object_store.delete_container.assert_not_called()


def test_a_secret_that_barbican_does_not_let_go_is_told() -> None:
    store = MagicMock()
    store.key_manager.delete.return_value = Response()
    store.key_manager.delete.return_value.status_code = 403
    (problem,) = remove(Others("north", (Fact("secret", "seal", "", {}, "s", "p:main"),), {"p:main": store}), MagicMock())
    assert problem.what == "secret seal could not be removed"


def cloud() -> MagicMock:
    made = MagicMock()
    made.dns.get.return_value.json.return_value = {"recordsets": []}
    return made


def test_drift_reads_what_the_accounts_of_the_platform_see() -> None:
    papers, seal = MagicMock(), MagicMock()
    papers.name, seal.name, seal.secret_ref = "papers", "seal", "https://keys.example/v1/secrets/s"
    store = MagicMock()
    store.object_store.containers.return_value, store.key_manager.secrets.return_value = [papers], [seal]
    reading = read(cloud(), estate(planned("lab").regions["north"]), SERVICES, {"p:desk": store})
    assert reading.lists["containers"] == [Fact("container", "papers", "", {}, "p:desk/papers", "p:desk")]
    assert reading.lists["secrets"] == [Fact("secret", "seal", "", {}, "s", "p:desk")]


@pytest.mark.parametrize(("error", "judged"), [(NotFoundException("never used"), True), (ForbiddenException("no"), False)])
def test_what_an_account_may_not_see_is_not_judged(error: HttpException, judged: bool) -> None:
    store = MagicMock()
    store.object_store.containers.side_effect = error
    reading = read(cloud(), estate(planned("lab").regions["north"]), SERVICES, {"p:desk": store})
    assert ("containers" in reading.lists) is judged
    assert ("containers" in reading.faults) is not judged


def test_fix_removes_by_the_account_of_the_project_and_only_by_name() -> None:
    admin, store = MagicMock(), MagicMock()
    store.object_store.objects.return_value = []
    one = Difference("north", "not in the model", Fact("container", "papers", "access", {}, "p:desk/papers", "p:desk"))
    assert not repair.plan("lab", [one], ()).remove
    named = repair.plan("lab", [one], ("papers",))
    assert repair.carry_out(named, {"north": admin}, {"p:desk": store}) == []
    store.object_store.delete_container.assert_called_once_with("papers")
    assert admin.method_calls == []

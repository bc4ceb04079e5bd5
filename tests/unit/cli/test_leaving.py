"""What `lz up` takes away from a stack that stays: not while others have something in it, and nothing of it is left behind."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from foundation.errors import InputError
from foundation.progress import Progress
from landing_zone import preflight
from landing_zone.cli import changes
from landing_zone.drift import holders, others
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Asked
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import Outcome, StackKey
from landing_zone.engine.sweep import leaving
from stacks.inputs import password_name
from tests.unit.engine.support import plan

KEY = StackKey("lab", "north", "tenant-edu")
CHANGED = Outcome(KEY, "preview", {"delete": 3}, (), True, 3, 0.0)


def resource(kind: str, identity: str, name: str, **inputs: Any) -> dict[str, Any]:
    return {"type": kind, "id": identity, "inputs": {"name": name, **inputs}}


STAYS: list[dict[str, Any]] = [
    {"type": "pulumi:providers:pulumi", "id": "a"},  # of references to other stacks; it has no inputs
    resource(holders.PROJECT, "d", "lab-edu", isDomain=True),
    resource(holders.PROJECT, "p:main", "lab-edu-main", domainId="d"),
    resource(holders.USER, "u", "lab-edu-automation", domainId="d"),
    resource(others.NETWORK, "n:data", "lab-edu-data"),
]
# a project may have the name of a network that stays
GOES = [resource(holders.PROJECT, "p:old", "lab-edu-data", domainId="d"), resource(others.NETWORK, "n:dmz", "lab-edu-dmz")]


def cloud() -> MagicMock:
    made = MagicMock()
    made.identity.projects.return_value = []
    made.dns.get.return_value = SimpleNamespace(status_code=200, json=lambda: {"recordsets": []})
    made.block_storage.volumes.return_value = [
        SimpleNamespace(id=f"v:{project}", name=f"books of {project}", project_id=project) for project in ("p:old", "p:main")
    ]
    made.network.ports.return_value = [
        SimpleNamespace(id=f"port:{net}", name="", project_id="p:main", network_id=net, device_owner="compute:nova", device_id="i",
                        fixed_ips=[{"ip_address": "10.0.0.9"}])
        for net in ("n:dmz", "n:data")
    ]  # fmt: skip
    return made


def run(root: Path, resources: list[dict[str, Any]], connection: MagicMock) -> Any:
    home = Home(root)
    home.secret(password_name("north", "lab-edu-automation"))
    stacks: Any = SimpleNamespace(
        home=home,
        standing=lambda: frozenset({KEY.name}),
        resources=lambda key: resources if key == KEY else [],
        projects=lambda key: frozenset(one["id"] for one in resources if one["type"] == holders.PROJECT and one["id"] != "d"),
    )
    return Run(plan(), stacks, {}, {"north": connection}, lambda _: None)


def test_what_others_have_in_a_project_or_network_that_goes_is_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MagicMock()
    store.object_store.containers.return_value = [SimpleNamespace(name="papers")]
    store.key_manager.secrets.return_value = []
    as_machine = MagicMock(return_value=store)
    monkeypatch.setattr(holders, "as_machine", as_machine)
    found = changes.inside(run(tmp_path, [*STAYS, *GOES], cloud()), [CHANGED])
    assert [problem.what.split(" is in ")[0] for problem in found] == ["volume books of p:old", "container papers", "port 10.0.0.9"]
    ((_, _, user, project),) = [call.args for call in as_machine.call_args_list]
    assert (user.name, user.domain, project) == ("lab-edu-automation", "lab-edu", "lab-edu-data")


def test_where_nothing_goes_the_cloud_is_not_asked(tmp_path: Path) -> None:
    connection = cloud()
    assert changes.inside(run(tmp_path, STAYS, connection), [CHANGED]) == []
    assert connection.mock_calls == []


def test_nothing_is_applied_while_there_is_something_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = run(tmp_path, [*STAYS, *GOES], cloud())
    monkeypatch.setattr(holders, "as_machine", MagicMock())
    monkeypatch.setattr(there, "previews", lambda keys, full: [CHANGED])
    monkeypatch.setattr(there, "apply", lambda previews: pytest.fail("it was applied"))
    monkeypatch.setattr(changes, "open_alone", lambda asked, say, board: nullcontext((there, Selection())))
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: [])
    monkeypatch.setattr("landing_zone.engine.limits.due", lambda run, keys: {})
    with pytest.raises(InputError, match="books of p:old is in a project or network that would be removed"):
        changes.bring_up(Asked("lab"), Progress(), yes=True, quiet=True)


def test_what_openstack_leaves_behind_of_a_project_that_is_gone_goes_though_its_stack_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cleared: list[set[str]] = []
    monkeypatch.setattr("landing_zone.engine.limits.clear", lambda connection, services, projects: cleared.append(projects))
    connection = cloud()
    group = SimpleNamespace(name="default")
    connection.network.security_groups.side_effect = lambda project_id: [group] if project_id == "p:old" else []
    before = run(tmp_path, [*STAYS, *GOES], connection)
    changes.remember_projects(before, [CHANGED])
    changes.clear_projects(before)  # killed before it was removed
    connection.network.delete_security_group.assert_not_called()
    after = run(tmp_path, STAYS, connection)
    for _ in range(2):
        changes.clear_projects(after)
    connection.network.delete_security_group.assert_called_once_with(group)
    assert cleared == [{"p:old"}]
    assert leaving(after.stacks.home) == {}

"""After a move of the cloud, what is removed without a program is asked of the cloud where it is now, by the real engine and plugin."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pulumi
import pulumi_openstack as openstack
import pytest
from pulumi import automation

from foundation.errors import LzError
from landing_zone.engine import checkpoints, doubts
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.home import Home
from landing_zone.engine.opening import load_plan
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from stacks.inputs import PROJECT
from tests.support.keystone import PASSWORD, keystone, make_certificates

KEY = StackKey("lab", "north", "access")
NOWHERE = Cloud("lab-north", "https://127.0.0.1:1/v3", "another authority")
NETWORK = "openstack:networking/network:Network"
GROUP = "openstack:identity/groupV3:GroupV3"


def program(cloud: Cloud) -> None:
    openstack.Provider("admin", cloud=cloud.name, region="north")
    openstack.Provider(
        "owner",
        auth_url=cloud.auth_url,
        cacert_file=cloud.ca,
        region="north",
        user_name="admin",
        user_domain_name="Default",
        tenant_name="admin",
        project_domain_name="Default",
        password=pulumi.Output.secret(PASSWORD),
    )


@pytest.fixture
def stacks(tmp_path: Path) -> Stacks:
    """A stack that was applied when the cloud was nowhere, with one thing in it that a machine account has made."""
    (tmp_path / "home").mkdir(mode=0o700)
    home = Home(tmp_path / "home")
    made = Stacks(home, Folder(home.backend))
    assert made.up(KEY, lambda: program(NOWHERE)).good
    state = made.export(KEY)
    deployment = dict(state.deployment or {})
    owner = next(one for one in deployment["resources"] if one["urn"].endswith("::owner"))
    thing = {
        "urn": f"urn:pulumi:{KEY.name}::{PROJECT}::{GROUP}::app",
        "custom": True,
        "id": "g1",
        "type": GROUP,
        "inputs": {"name": "app", "domainId": "d1"},
        "outputs": {"id": "g1", "name": "app", "domainId": "d1", "region": "north"},
        "provider": f"{owner['urn']}::{owner['id']}",
    }
    deployment["resources"].append(thing)
    made.put_back(KEY, automation.Deployment(version=state.version, deployment=deployment))
    return made


def run(stacks: Stacks, cloud: Cloud, said: list[str]) -> Run:
    return Run(load_plan("lab"), stacks, {"lab-north": cloud}, {"north": MagicMock()}, said.append)


def providers(stacks: Stacks) -> dict[str, dict[str, Any]]:
    return {one["urn"].rpartition("::")[2]: one for one in stacks.resources(KEY) if one["type"].startswith("pulumi:providers:")}


def test_what_is_removed_is_asked_of_the_cloud_where_it_is_now(stacks: Stacks, tmp_path: Path) -> None:
    certificates, said = make_certificates(tmp_path / "cloud"), list[str]()
    before = providers(stacks)
    [away] = stacks.destroy(KEY).problems[:1]
    assert "another authority" in str(away)
    with keystone(certificates) as url:
        here = replace(NOWHERE, auth_url=url, ca=certificates.ca.read_text())
        run(stacks, here, said).recover([KEY])
        after = providers(stacks)
        assert {side: after["owner"][side]["authUrl"] for side in ("inputs", "outputs")} == {"inputs": url, "outputs": url}
        assert after["owner"]["inputs"]["password"].keys() == before["owner"]["inputs"]["password"].keys()  # a secret, as it was
        assert after["admin"] == before["admin"]
        [told] = stacks.destroy(KEY).problems[:1]
        assert "https://127.0.0.1/v3/groups/g1" in str(told)  # signed in; that Keystone's catalogue leads no further
    assert len(said) == 1
    assert url in said[0]


def test_a_state_that_says_where_the_cloud_is_stays_as_it_is(stacks: Stacks) -> None:
    said: list[str] = []
    version = stacks.versions()
    run(stacks, NOWHERE, said).recover([KEY])
    assert (stacks.versions(), said) == (version, [])


def test_another_entry_of_clouds_yaml_and_an_authority_that_the_system_knows(stacks: Stacks) -> None:
    moved = replace(NOWHERE, name="lab-north-2", ca=None)
    one = Run(load_plan("lab"), stacks, {"lab-north": moved}, {"north": MagicMock()}, print)
    one.recover([KEY])
    after = providers(stacks)
    assert after["admin"]["inputs"]["cloud"] == "lab-north-2"
    assert "cacertFile" not in after["owner"]["inputs"]
    preview = stacks.preview(KEY, lambda: program(moved))
    assert preview.good
    assert [line for line in preview.details if "owner" in line or "admin" in line] == []


def test_what_was_under_way_when_the_cloud_moved_is_looked_for_where_it_is_now(stacks: Stacks) -> None:
    """The engine takes its notes of what was under way out of every state that it is given."""
    place = checkpoints.checkpoint(KEY.name)
    state = json.loads(stacks.store.read(place) or b"")
    urn = f"urn:pulumi:{KEY.name}::{PROJECT}::{NETWORK}::app"
    note = {"type": "creating", "resource": {"urn": urn, "custom": True, "type": NETWORK, "inputs": {"name": "app", "tenantId": "p1"}}}
    state["checkpoint"]["latest"]["pending_operations"] = [note]
    stacks.store.write(place, json.dumps(state).encode())
    connection, moved = MagicMock(), replace(NOWHERE, auth_url="https://127.0.0.1:2/v3")
    connection.network.networks.return_value = [MagicMock(id="n1")]
    one = Run(load_plan("lab"), stacks, {"lab-north": moved}, {"north": connection}, print)
    with pytest.raises(LzError, match="another authority"):  # nobody answers there either
        one.recover([KEY])
    assert providers(stacks)["owner"]["inputs"]["authUrl"] == moved.auth_url
    assert connection.network.delete_network.call_count == 1
    assert [doubt.urn for doubt in doubts.kept(stacks.home, KEY.name)] == [urn]

"""Nothing is replaced by a change of description or tag: what the plugin says of every kind, and a group of rules on the real engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pulumi
import pulumi_openstack as openstack
import pytest
from pulumi import automation

from components.network import RuleArgs, SecurityGroup, SecurityGroupArgs
from foundation import process
from foundation.places import CHECKOUT
from landing_zone.engine.home import Home
from landing_zone.engine.stack import StackKey, Stacks
from landing_zone.engine.stores.folder import Folder
from stacks.inputs import PROJECT
from tests.support.pulumi_recorder import run
from tools import artefacts, pins, tokens

WORDS = ("description", "tags", "metadata")
IGNORED = {("SecGroupRule", "description")}  # see SecurityGroup
KEY = StackKey("unit", "north", "network")
GROUP = "lz:network:SecurityGroup"


def test_no_kind_that_we_make_is_replaced_by_a_change_of_words() -> None:
    pin = pins.load().artefacts["openstack"]
    served = json.loads(process.run([artefacts.folder(pin) / pin.binary, "-get-provider-info"]))["provider"]["resources"]
    by_token = {token: served[name] for name, token in json.loads(tokens.committed().read_text())["resources"].items()}
    called = re.compile(r"\b(identity|networking|compute|blockstorage|loadbalancer|dns)\.([A-Z]\w+)\(")
    made = {kind for path in (CHECKOUT / "components").glob("*.py") for kind in called.findall(path.read_text())}
    looked_at = {token: schema for token, schema in by_token.items() if (token.split(":")[1].split("/")[0], token.split(":")[2]) in made}
    assert len(looked_at) > 20
    replacing = {
        (token.split(":")[2], word) for token, schema in looked_at.items() for word in WORDS if schema.get(word, {}).get("forceNew")
    }
    assert replacing == IGNORED


def group(description: str, reason: str, port: int) -> None:
    rule = RuleArgs("in4-tcp", "ingress", "IPv4", "tcp", port, port, "10.1.0.0/24", reason)
    options = pulumi.ResourceOptions(provider=openstack.Provider("admin", cloud="nowhere", region="north"))
    SecurityGroup(SecurityGroupArgs("app", description, "p1", (rule,), tags=("a",)), options)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stacks]:
    """A stack with that group in its state, as if it had been applied; previews leave it as it is."""
    tmp_path = tmp_path_factory.mktemp("replacing")
    auth = "{auth_url: 'https://127.0.0.1:1/v3', username: u, password: p, project_name: p, user_domain_name: d, project_domain_name: d}"
    (tmp_path / "clouds.yaml").write_text(f"clouds:\n  nowhere:\n    auth: {auth}\n")
    (tmp_path / "home").mkdir(mode=0o700)
    home = Home(tmp_path / "home")
    made = Stacks(home, Folder(home.backend))
    assert made.up(KEY, lambda: None).good
    state = made.export(KEY)
    deployment = dict(state.deployment or {})
    deployment["resources"] = [*deployment["resources"], *as_applied()]
    made.put_back(KEY, automation.Deployment(version=state.version, deployment=deployment))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        yield made


def as_applied() -> list[dict[str, Any]]:
    """The resources of `group("old", "old", 443)` as the engine keeps them."""
    recorded = run(lambda: group("old", "old", 443))

    def urn(kind: str, name: str) -> str:
        return f"urn:pulumi:{KEY.name}::{PROJECT}::{kind}::{name}"

    root, component = urn("pulumi:pulumi:Stack", f"{PROJECT}-{KEY.name}"), urn(GROUP, "app")
    provider = recorded.one("pulumi:providers:openstack")
    below = [
        {
            "urn": urn(f"{GROUP}${one.type}", one.name),
            "custom": True,
            "id": f"id-of-{one.name}",
            "type": one.type,
            "inputs": one.inputs,
            "outputs": {**one.inputs, "id": f"id-of-{one.name}", "region": "north", "allTags": one.inputs.get("tags", [])},
            "parent": component,
            "provider": f"{urn(provider.type, provider.name)}::id-of-admin",
        }
        for one in (recorded.one("networking/secGroup:"), recorded.one("networking/secGroupRule:"))
    ]
    return [
        {
            "urn": urn(provider.type, provider.name),
            "custom": True,
            "id": "id-of-admin",
            "type": provider.type,
            "inputs": provider.inputs,
            "outputs": provider.inputs,
            "parent": root,
        },
        {"urn": component, "custom": False, "type": GROUP, "parent": root},
        *below,
    ]


@pytest.mark.parametrize(
    ("description", "reason", "port", "changes"),
    [
        ("old", "old", 443, {"same": 2}),
        ("old", "another reason", 443, {"same": 2}),
        ("another description", "old", 443, {"same": 1, "update": 1}),
        ("old", "old", 8443, {"same": 1, "replace": 1}),
    ],
    ids=["nothing", "words of a rule", "words of a group", "port of a rule"],
)
def test_words_of_a_group_and_its_rules(stacks: Stacks, description: str, reason: str, port: int, changes: dict[str, int]) -> None:
    outcome = stacks.preview(KEY, lambda: group(description, reason, port))
    assert not outcome.problems
    assert outcome.changes == changes, outcome.details

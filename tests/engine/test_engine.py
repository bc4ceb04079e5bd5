"""The engine that is installed on this machine: versions, tokens, a program run without a cloud."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
from pulumi import automation
from pulumi_openstack import networking

from foundation import process
from foundation.places import CHECKOUT
from foundation.progress import Progress
from tools import artefacts, bundle, engine, pins, tokens


def plugin() -> Path:
    pin = pins.load().artefacts["openstack"]
    return artefacts.folder(pin) / pin.binary


@pytest.mark.parametrize("name", list(pins.load().artefacts))
def test_each_program_is_there_whole_and_says_its_version(name: str) -> None:
    pin = pins.load().artefacts[name]
    assert artefacts.damaged(pin) == []
    assert artefacts.said_version(pin, artefacts.folder(pin) / pin.binary) == pin.version


def test_a_second_installation_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artefacts, "obtain", lambda *_: pytest.fail("a program was obtained again"))
    assert engine.install(Progress(), network=False) == engine.installed()


def test_the_plugin_serves_exactly_the_committed_tokens() -> None:
    served = json.loads(process.run([plugin(), "-get-provider-info"]))
    table = json.loads(tokens.committed().read_text())
    assert set(served["provider"]["resources"]) == set(table["resources"])
    assert {name: entry["tok"] for name, entry in served["resources"].items()} == table["resources"]
    assert {name: entry["tok"] for name, entry in served["dataSources"].items()} == table["functions"]


def test_the_committed_tokens_are_what_the_sources_give() -> None:
    process.run([sys.executable, "-m", "tools", "tokens", "--check"], cwd=CHECKOUT)


def test_the_command_line_takes_the_project_file_as_it_is(tmp_path: Path) -> None:
    """What it can do without the language host: it reads Pulumi.yaml, and has a stack of a landing zone's name for it."""
    settings = {
        **engine.environment(), "PULUMI_BACKEND_URL": tmp_path.as_uri(), "PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_SKIP_UPDATE_CHECK": "1",
    }  # fmt: skip
    work = Path(shutil.copy(CHECKOUT / "Pulumi.yaml", tmp_path)).parent
    program: list[str | Path] = [engine.install(Progress()).bin / "pulumi", "--cwd", work, "--non-interactive", "stack"]
    process.run([*program, "init", "lab.north.identity", "--no-select"], env=settings)
    (stack,) = json.loads(process.run([*program, "ls", "--json"], env=settings))
    assert stack["name"] == "lab.north.identity"
    assert (tmp_path / ".pulumi" / "stacks" / "landing-zone").is_dir()


def test_the_modules_in_the_programs_are_known() -> None:
    modules = dict(bundle.go_modules(plugin()))
    assert modules["github.com/terraform-provider-openstack/terraform-provider-openstack/v3"] == "v3.4.0"


@pytest.fixture
def stack(tmp_path: Path) -> Callable[[automation.PulumiFn], automation.Stack]:
    settings = {
        **engine.environment(),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "of a test",
        "OS_AUTH_URL": "http://127.0.0.1:9/v3",
        "OS_USERNAME": "nobody",
        "OS_PASSWORD": "of a test",
        "OS_PROJECT_NAME": "none",
        "OS_USER_DOMAIN_NAME": "none",
    }

    work = tmp_path / "work"
    work.mkdir()

    def make(program: automation.PulumiFn) -> automation.Stack:
        command = automation.PulumiCommand(root=str(engine.environment()["PULUMI_HOME"]))
        options = automation.LocalWorkspaceOptions(work_dir=str(work), env_vars=settings, pulumi_command=command)
        return automation.create_or_select_stack("test", project_name="engine-test", program=program, opts=options)

    return make


def test_a_program_is_applied_and_taken_back(stack: Callable[[automation.PulumiFn], automation.Stack]) -> None:
    def program() -> None:
        pulumi.ComponentResource("landing-zone:test:Nothing", "nothing")
        pulumi.export("answer", 42)

    made = stack(program)
    assert made.up().outputs["answer"].value == 42
    assert made.up().summary.resource_changes == {"same": 2}
    made.destroy()
    assert not (made.export_stack().deployment or {}).get("resources")


def test_an_openstack_resource_is_previewed_by_the_plugin(stack: Callable[[automation.PulumiFn], automation.Stack]) -> None:
    def program() -> None:
        networking.Network("net", name="net", admin_state_up=True)

    assert stack(program).preview().change_summary == {"create": 2}


def test_the_plugin_checks_what_it_is_given(stack: Callable[[automation.PulumiFn], automation.Stack]) -> None:
    def program() -> None:
        networking.SecGroupRule("rule", direction="sideways", ethertype="IPv4", security_group_id="x")

    with pytest.raises(automation.CommandError, match="direction"):
        stack(program).preview()

"""What the role's expressions and templates come to on a node of given facts: rendered by Ansible itself, without a node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

from foundation.places import CHECKOUT

ROLE = CHECKOUT / "roles" / "node_baseline"
init_plugin_loader()


def read(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.load((ROLE / name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def node(system: Mapping[str, Any] | None = None, profile: str = "base", **given: Any) -> dict[str, Any]:
    """Variables as the role has them once its preflight has merged them. system: another file of vars/os. given: facts and variables."""
    variables: dict[str, Any] = {**read("defaults/main.yml"), **read("vars/main/settings.yml"), **read("vars/main/effective.yml")}
    variables |= read(f"vars/profiles/{profile}.yml")
    variables |= {"__node_baseline_os": system or read("vars/os/Debian-13.yml")["__node_baseline_os"]}
    variables |= {"ansible_managed": "by Ansible", "ansible_check_mode": False, "__node_baseline_booted": True, **given}
    merge = next(task for task in read("tasks/preflight.yml") if task["name"] == "Settings of this node")
    return variables | {"__node_baseline": render(merge["ansible.builtin.set_fact"]["__node_baseline"], variables)}


def render(value: Any, variables: Mapping[str, Any]) -> Any:
    """What Ansible makes of an expression, or of a structure with some in it."""
    return _templar(variables).template(_trusted(value))


def template(name: str, variables: Mapping[str, Any]) -> str:
    """What a template of the role comes to."""
    text = trust_as_template((ROLE / "templates" / name).read_text(encoding="utf-8"))
    return str(_templar(variables).template(text, escape_backslashes=False))


def task(file: str, name: str) -> dict[str, Any]:
    """A task of the role by its name."""
    return next(each for each in read(f"tasks/{file}.yml") if each["name"].split(" #")[0] == name)


def refusal(file: str, name: str, variables: Mapping[str, Any]) -> str:
    """What an assertion of the role says when it does not hold, else nothing."""
    one = task(file, name)
    inside = {**variables, **one.get("vars", {})}
    said = one["ansible.builtin.assert"]
    return "" if render("{{ " + said["that"] + " }}", inside) else str(render(said["fail_msg"], inside))


def _templar(variables: Mapping[str, Any]) -> Templar:
    return Templar(loader=DataLoader(), variables=_trusted(dict(variables)))


def _trusted(value: Any) -> Any:
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, dict):
        return {key: _trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_trusted(each) for each in value]
    return value

"""Where the cloud is, as the state of a stack has it: an operation without a program (removing, refreshing) goes by that alone.

The administrator's provider names an entry of clouds.yaml, that of a machine account Keystone's address and authority. All of
it may be another than when the stack was last applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pulumi import automation as auto

from landing_zone.engine.clouds import Cloud
from landing_zone.engine.stack import StackKey, Stacks

_PROVIDER = "pulumi:providers:openstack"


def is_elsewhere(resources: Iterable[Mapping[str, Any]], cloud: Cloud) -> bool:
    """Whether resources of a state are made by a provider that would not ask the cloud where it is now."""
    return any(one["inputs"].get(name) != value for one in resources for name, value in _now(one, cloud).items())


def correct(stacks: Stacks, key: StackKey, cloud: Cloud) -> None:
    """Let the providers in the state of a stack, which nobody may hold, ask the cloud where it is now."""
    state = stacks.export(key)
    deployment = dict(state.deployment or {})
    for one in deployment.get("resources") or ():
        for name, value in _now(one, cloud).items():
            for side in (one["inputs"], one["outputs"]):
                side.pop(name, None)
                if value is not None:
                    side[name] = value
    stacks.put_back(key, auto.Deployment(version=state.version, deployment=deployment))


def _now(resource: Mapping[str, Any], cloud: Cloud) -> dict[str, str | None]:
    """What a provider is to be told about where the cloud is (None: nothing); empty for every other resource."""
    if resource["type"] != _PROVIDER:
        return {}
    return {"authUrl": cloud.auth_url, "cacertFile": cloud.ca} if "authUrl" in resource["inputs"] else {"cloud": cloud.name}

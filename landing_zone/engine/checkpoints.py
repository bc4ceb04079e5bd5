"""How the engine lays its objects out in a store: one checkpoint a stack, what it was before beside it, locks, history."""

from __future__ import annotations

import json
import re
from typing import Any

from stacks.inputs import PROJECT

STACKS = f".pulumi/stacks/{PROJECT}/"
LOCKS = f".pulumi/locks/organization/{PROJECT}/"
META = ".pulumi/meta.yaml"
_SUFFIX = ".json"
_DRAFT = ".tmp"
_TAKEN = re.compile(r"-(\d+)\.checkpoint\.json$")


def checkpoint(stack: str) -> str:
    """The key of a stack's state."""
    return f"{STACKS}{stack}{_SUFFIX}"


def before(stack: str) -> str:
    """The key of what a stack's state was before the last write."""
    return f"{checkpoint(stack)}.bak"


def is_draft(key: str) -> bool:
    """Whether a key is of what an engine was still writing; a folder keeps that of a killed one."""
    return key.endswith(_DRAFT)


def locks(stack: str) -> str:
    """What the keys of a stack's locks begin with."""
    return f"{LOCKS}{stack}/"


def history(stack: str) -> str:
    """What the keys of a stack's history begin with."""
    return f".pulumi/history/{PROJECT}/{stack}/"


def taken(key: str) -> int:
    """When a checkpoint of the history was written, in nanoseconds since 1970; 0 for every other key."""
    found = _TAKEN.search(key)
    return int(found.group(1)) if found else 0


def stack_of(key: str) -> str | None:
    """The stack whose checkpoint lies under a key; None for every other key."""
    name = key.removeprefix(STACKS)
    return name.removesuffix(_SUFFIX) if key.startswith(STACKS) and name.endswith(_SUFFIX) and "/" not in name else None


def empty(stack: str) -> bytes:
    """The state of a stack, by its full name, that has nothing yet."""
    return json.dumps({"version": 3, "checkpoint": {"stack": stack, "latest": None}}).encode()


def latest(data: bytes) -> dict[str, Any]:
    """The state in a checkpoint; empty for a stack in which nothing has been made. ValueError when it is damaged."""
    content = json.loads(data)
    if not isinstance(content, dict) or not isinstance(content.get("checkpoint"), dict):
        raise ValueError("it has no checkpoint")
    state = content["checkpoint"].get("latest") or {}
    if not isinstance(state, dict) or not isinstance(state.get("resources", []), list):
        raise ValueError("its state has another form")
    return state

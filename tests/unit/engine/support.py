"""A whole environment without engine and cloud: stacks that remember what they were asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from foundation.errors import Problem
from landing_zone.engine.home import Home
from landing_zone.engine.opening import load_plan
from landing_zone.engine.stack import Outcome, StackKey
from landing_zone.engine.stores import Store
from landing_zone.engine.stores.folder import Folder
from landing_zone.planners.plan import EnvironmentPlan


@cache
def plan() -> EnvironmentPlan:
    """The plan of the environment `lab`."""
    return load_plan("lab")


@dataclass
class FakeStacks:
    """Remembers what it was asked to do. `broken` stacks fail, `changed` ones differ from the plan; `ids` are outputs before and
    after an up; `saved` counts how often each state was written."""

    home: Home
    store: Store = field(init=False)
    stands: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    ids: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    did: list[str] = field(default_factory=list)
    saved: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = Folder(self.home.backend)

    def standing(self) -> frozenset[str]:
        return frozenset(self.stands)

    def versions(self) -> dict[str, str]:
        return {name: f"version {self.saved.get(name, 0)}" for name in self.stands}

    def outputs(self, key: StackKey) -> dict[str, Any]:
        return {"ids": self.ids[key.layer][0]} if key.layer in self.ids else {}

    def preview(self, key: StackKey, program: Any) -> Outcome:
        self.did.append(f"preview {key.region}.{key.layer}")
        return Outcome(key, "preview", {}, (), key.layer in self.changed, 1, 0.1)

    def up(self, key: StackKey, program: Any, total: int = 0) -> Outcome:
        self.stands.add(key.name)
        return self._did("up", key)

    def destroy(self, key: StackKey, total: int = 0) -> Outcome:
        self.stands.discard(key.name)
        return self._did("destroy", key)

    def _did(self, operation: Any, key: StackKey) -> Outcome:
        self.did.append(f"{operation} {key.region}.{key.layer}")
        self.saved[key.name] = self.saved.get(key.name, 0) + 1
        if key.layer in self.ids:
            self.ids[key.layer] = self.ids[key.layer][1:]
        problems = (Problem(f"{key.layer} broke"),) if key.layer in self.broken else ()
        return Outcome(key, operation, {}, (), True, 1, 0.1, problems)

"""Pulumi mocks that remember what a program registers, looks up and exports."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest
from pulumi.runtime import get_root_resource, mocks, settings
from pulumi.runtime.stack import Stack, run_pulumi_func


@dataclass(frozen=True)
class Made:
    """One resource: its type token, logical name, inputs as the engine gets them, and its provider."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str


@dataclass
class Recorder(mocks.Mocks):
    """Every resource gets the id `id-of-NAME`; every look-up finds `id-of-NAME`.

    `details` are further outputs by type token; `references` the outputs of other stacks by name.
    `transforms` are those that the program asked for; mocks do not run them.
    """

    made: list[Made] = field(default_factory=list)
    looked_up: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    transforms: list[Any] = field(default_factory=list)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.made.append(Made(args.typ, args.name, dict(args.inputs), args.provider or ""))
        if args.typ == "pulumi:pulumi:StackReference":
            name = args.inputs["name"]
            return name, {"name": name, "outputs": self.references.get(name, {}), "secretOutputNames": []}
        return f"id-of-{args.name}", {**args.inputs, **self.details.get(args.typ, {})}

    def call(self, args: mocks.MockCallArgs) -> Any:
        self.looked_up.append((args.token, dict(args.args)))
        return {**args.args, "id": f"id-of-{args.args.get('name')}"}

    def of(self, type_part: str) -> list[Made]:
        """Resources whose type token has `type_part` in it, by name."""
        return sorted((one for one in self.made if type_part in one.type), key=lambda one: one.name)

    def one(self, type_part: str, name: str = "") -> Made:
        """The only resource of that type (and name)."""
        found = [one for one in self.of(type_part) if not name or one.name == name]
        assert len(found) == 1, f"{type_part} {name}: {[one.name for one in self.of(type_part)]}"
        return found[0]


def _once(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error of the program is raised to the test; every other output that waited for the same would print it again."""
    if "never retrieved" not in context["message"]:
        loop.default_exception_handler(context)


def run(program: Callable[[], Any], *, preview: bool = False, recorder: Recorder | None = None) -> Recorder:
    """Run a program to its end under mocks and tell what it did; an error in it is raised here."""
    recorder = recorder or Recorder()

    async def main() -> None:
        result = program()
        if inspect.isawaitable(result):
            await result
        root = get_root_resource()
        assert isinstance(root, Stack)
        for name, value in root.outputs.items():
            recorder.outputs[name] = await pulumi.Output.from_input(value).future()

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(_once)
        monkeypatch.setattr(pulumi.runtime, "register_resource_transform", recorder.transforms.append)
        mocks.set_mocks(recorder, project="landing-zone", stack="unit.north.test", preview=preview, organization="organization")
        settings.SETTINGS.rpc_manager.clear()
        settings.SETTINGS.outputs.clear()
        await run_pulumi_func(main)

    with pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(whole())
    return recorder

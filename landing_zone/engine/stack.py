"""One operation on one stack, by the Automation API with an inline program."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from pulumi import automation as auto
from pulumi.automation._stack import StackInitMode
from semver import VersionInfo

from foundation import digest, files
from foundation.errors import LzError, Problem
from foundation.lock import exclusive
from foundation.places import CHECKOUT
from landing_zone.engine import checkpoints, doubts, leftovers, room
from landing_zone.engine.events import NEXT_STEP, Listener, Tally, Task
from landing_zone.engine.home import Home
from landing_zone.engine.stores import Store
from stacks.inputs import PROJECT, stack_name
from tools import engine, pins

Operation = Literal["skip", "preview", "up", "refresh-preview", "refresh", "destroy"]
Program = Callable[[], Awaitable[None] | None]
PARALLEL = 16  # calls to the cloud under way at once in one stack: more only queue up in its API servers
GARBAGE = "400"  # per cent by which a program of the engine may grow before it collects garbage: with Go's 100 it takes 7 % more time
ENDED_OUTSIDE = "free memory, or take fewer stacks --side-by-side, and run the same command again: it goes on where it stopped"
PROCESSORS = "1"  # that such a program may use at once: none is ever short of one, and sharing its work out takes it 5 % more time


@dataclass(frozen=True)
class StackKey:
    """Which stack: environment, region, layer."""

    environment: str
    region: str
    layer: str

    @property
    def name(self) -> str:
        """ENV.REGION.LAYER."""
        return stack_name(self.environment, self.region, self.layer)

    @classmethod
    def of(cls, name: str) -> StackKey:
        """The stack of that name; a part that the name does not have is ""."""
        environment, region, layer = (*name.split(".", 2), "", "")[:3]
        return cls(environment, region, layer)


@dataclass(frozen=True)
class Outcome:
    """How one operation on one stack ended. The operation `skip`: it was not looked at, since it cannot have changed.

    `changes` counts cloud resources by what was (or, in a preview, would be) done to them; `details` names those that are
    not the same. `changed` also counts what lives in the state only. `resources` stand at the end. `passing`: something
    failed, and all of it is what passes by itself.
    """

    key: StackKey
    operation: Operation
    changes: Mapping[str, int]
    details: tuple[str, ...]
    changed: bool
    resources: int
    seconds: float
    problems: tuple[Problem, ...] = ()
    passing: bool = False

    @property
    def good(self) -> bool:
        """True when it ended well."""
        return not self.problems


class Workspace(auto.LocalWorkspace):
    """A workspace that selects no stack: every call names it anyway, and selecting would be one more call each."""

    def select_stack(self, stack_name: str) -> None:
        """Nothing to do."""


class Command(auto.PulumiCommand):
    """The installed engine, with fewer calls of it: the library would ask each for its version, which is pinned, and would
    remove a destroyed stack by one more."""

    def __init__(self, home: str) -> None:
        self.command = str(Path(home) / "bin" / "pulumi")
        self.version = VersionInfo.parse(pins.load().artefacts["pulumi"].version)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: auto.OnOutput | None = None,
        on_error: auto.OnOutput | None = None,
    ) -> auto.CommandResult:
        """One call; a stack that was destroyed well goes with it."""
        words = [*args, "--remove"] if args[0] == "destroy" else args
        return super().run(words, cwd, additional_env, on_output, on_error)


class LeanStack(auto.Stack):
    """A stack that does not ask for outputs and history after each operation: we read the events, and outputs when needed."""

    def outputs(self) -> auto.OutputMap:
        """None; `Stacks.outputs` reads them."""
        return {}

    def info(self, show_secrets: bool = True) -> auto.UpdateSummary | None:
        """A stand-in: Automation API only hands it through."""
        del show_secrets
        return auto.UpdateSummary(kind="update", start_time=None, message="", environment={}, config={}, result="succeeded")  # type: ignore[arg-type]


class DamagedError(LzError):
    """The state of a stack cannot be understood; it was read."""


@dataclass
class Stacks:
    """All stacks of one environment on this machine; `called`: what `--env` calls it.

    One operation at a time in each process: see `crew`.
    """

    home: Home
    store: Store
    parallel: int = PARALLEL
    listener: Listener | None = None
    called: str = "NAME"

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Environment variables of every engine process; they name secrets by file only."""
        return {
            **engine.environment(),
            **self.store.settings,
            "PULUMI_BACKEND_URL": self.store.url,
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.home.passphrase),
            "GOGC": GARBAGE,
            "GOMAXPROCS": PROCESSORS,
        }

    @cached_property
    def _command(self) -> Command:
        return Command(self.settings["PULUMI_HOME"])

    def read_up(self) -> None:
        """Read the pins, so that a copy in another process need not: a twentieth of a second there."""
        _ = self._command

    def preview(self, key: StackKey, program: Program) -> Outcome:
        """What `up` would do; nothing is changed."""
        return self._operate(key, "preview", program, lambda stack, how: stack.preview(diff=True, **how))

    def up(self, key: StackKey, program: Program, total: int = 0) -> Outcome:
        """Make the cloud be what the program says. `total`: cloud resources that the preview counted."""
        return self._operate(key, "up", program, lambda stack, how: stack.up(**how), total)

    def refresh_preview(self, key: StackKey) -> Outcome:
        """What has changed in the cloud since; nothing is changed, neither there nor in the state."""
        return self._operate(key, "refresh-preview", _nothing, lambda stack, how: stack.preview_refresh(**how))

    def refresh(self, key: StackKey) -> Outcome:
        """Take over into the state what is in the cloud."""
        return self._operate(key, "refresh", _nothing, lambda stack, how: stack.refresh(**how))

    def destroy(self, key: StackKey) -> Outcome:
        """Remove everything of the stack, and when that went well the stack itself."""
        return self._operate(key, "destroy", _nothing, lambda stack, how: stack.destroy(**how))

    def standing(self) -> frozenset[str]:
        """Names of the stacks that there are."""
        return frozenset(filter(None, map(checkpoints.stack_of, self.store.keys(checkpoints.STACKS))))

    def versions(self) -> Mapping[str, str]:
        """The version of the state of each stack that there is, by the stack's name: another one after every change of it."""
        read = {name: self.store.read(checkpoints.checkpoint(name)) for name in self.standing()}
        return {name: digest.of_texts(data.decode()) for name, data in read.items() if data is not None}

    def outputs(self, key: StackKey) -> Mapping[str, Any]:
        """Outputs of a stack by name; empty when there is no such stack. Ours are never secret."""
        return _outputs(self.resources(key))

    def resources(self, key: StackKey) -> list[dict[str, Any]]:
        """Resources in the state of a stack, as the engine keeps them; empty when there is no such stack."""
        return list(self.latest(key).get("resources", ()))

    def latest(self, key: StackKey) -> dict[str, Any]:
        """The state of a stack as it was last written; empty when there is none. DamagedError when it is damaged."""
        place = checkpoints.checkpoint(key.name)
        data = self.store.read(place)
        try:
            return {} if data is None else checkpoints.latest(data)
        except ValueError as error:
            cure = f"lz state doctor --env {self.called} says what can be put back"
            raise DamagedError(Problem(f"the state of {key.name} is damaged", f"{place} in {self.store.url}", str(error), cure)) from None

    def domains(self, key: StackKey) -> Mapping[str, str]:
        """Ids of the Keystone domains that a stack has made so far, by name; also of one that is only half made."""
        return {one["inputs"]["name"]: one["id"] for one in _projects(self.resources(key), domains=True)}

    def projects(self, key: StackKey) -> frozenset[str]:
        """Ids of the projects that a stack has made so far.

        Its outputs have them until its end, also those that are gone already, and are not written before it is made in full.
        """
        resources = self.resources(key)
        told = _outputs(resources).get("ids", {}).get("project", {}).values()
        return frozenset(told) | {one["id"] for one in _projects(resources, domains=False)}

    def forget(self, key: StackKey) -> Path:
        """Put the state of a stack aside on this machine, without touching the cloud; returns where it lies now."""
        place = checkpoints.checkpoint(key.name)
        aside = self.home.aside / f"{key.name}.json"
        aside.write_bytes(self.store.read(place) or b"")
        self.store.remove(place)
        return aside

    def forget_settings(self) -> None:
        """Have the settings of all stacks written anew: they hold a salt, which is good with one passphrase only."""
        for path in self.home.root.glob("work/*/Pulumi.*.yaml"):
            path.unlink()

    def export(self, key: StackKey) -> auto.Deployment:
        """The state of a stack, secrets encrypted."""
        return self._workspace(key, _nothing).export_stack(key.name)

    def put_back(self, key: StackKey, state: auto.Deployment) -> None:
        """Replace the state of a stack."""
        self._workspace(key, _nothing).import_stack(key.name, state)

    def unprotect(self, key: StackKey, urns: Collection[str]) -> None:
        """Take the protection off some resources of a stack, so that the next operation may remove them."""
        state = self.export(key)
        deployment = dict(state.deployment or {})
        for one in deployment.get("resources") or ():
            if one["urn"] in urns:
                one.pop("protect", None)
        self.put_back(key, auto.Deployment(version=state.version, deployment=deployment))

    def _operate(
        self,
        key: StackKey,
        operation: Operation,
        program: Program,
        call: Callable[[auto.Stack, dict[str, Any]], object],
        total: int = 0,
    ) -> Outcome:
        began = time.monotonic()
        path = self.home.log(key.name)
        tally = Tally(key.name, str(path), total, self.listener)
        if self.listener:
            self.listener.begun(Task(key.name, operation, total))
        with path.open("a", buffering=1) as log:
            print(f"=== {time.strftime('%Y-%m-%d %H:%M:%S')} {operation} {key.name}", file=log)

            def note(line: str) -> None:
                print(line, file=log)

            how: dict[str, Any] = {"parallel": self.parallel, "on_event": tally.hear, "on_output": note, "on_error": note, "color": "never"}
            if shortage := room.shortage(self.home.root):
                tally.stopped(shortage)
            else:
                try:
                    with leftovers.swept() as mark, room.watched(self.home.root, partial(_interrupt, mark)) as low:
                        call(self._stack(key, program, mark), how)
                except auto.CommandError as error:
                    if low.is_set():
                        tally.stopped(room.lack(self.home.root, room.LOW))
                    elif not tally.problems:
                        tally.problems.append(_unexplained(key, operation, str(error), path))
            if tally.doubts:
                doubts.keep(self.home, key.name, tally.doubts)
            took = time.monotonic() - began
            print(f"=== {operation} {key.name}: {'failed' if tally.problems else 'done'} in {took:.1f} s", file=log)
        if self.listener:
            self.listener.ended(key.name, not tally.problems, took)
        return Outcome(
            key,
            operation,
            dict(tally.changes),
            tuple(tally.details),
            tally.anything,
            tally.resources,
            took,
            tuple(tally.problems),
            tally.passing,
        )

    def _stack(self, key: StackKey, program: Program, mark: Mapping[str, str]) -> auto.Stack:
        workspace = self._workspace(key, program, mark)
        if key.name not in self.standing():
            self._create(workspace, key)
        elif self.home.salt.exists() and not (Path(workspace.work_dir) / f"Pulumi.{key.name}.yaml").exists():  # another machine made it
            workspace.save_stack_settings(key.name, auto.StackSettings(encryption_salt=self.home.salt.read_text()))
        return LeanStack(key.name, workspace, StackInitMode.SELECT)

    def _create(self, workspace: auto.LocalWorkspace, key: StackKey) -> None:
        """Make an empty stack, with the same salt for the secrets of all stacks of the environment.

        Turning passphrase and salt into a key takes the engine a quarter of a second, for each salt that it meets: its
        own and those of all stacks that it reads. Where the store has been set up by the first of them, the state of a further
        one is written here: asking the engine takes it half a second of processor time.
        """
        salt = self.home.salt
        if not salt.exists():
            with exclusive(salt.with_suffix(".lock"), "making the first stack", wait=60):
                if not salt.exists():
                    workspace.create_stack(key.name)
                    files.make(salt, str(workspace.stack_settings(key.name).encryption_salt))
                    return
        workspace.save_stack_settings(key.name, auto.StackSettings(encryption_salt=salt.read_text()))
        if self.store.read(checkpoints.META) is not None:
            self.store.write(checkpoints.checkpoint(key.name), checkpoints.empty(f"organization/{PROJECT}/{key.name}"))
        else:
            workspace.create_stack(key.name)

    def _workspace(self, key: StackKey, program: Program, mark: Mapping[str, str] | None = None) -> auto.LocalWorkspace:
        return Workspace(
            work_dir=str(self.home.work(key.name)),
            program=program,
            env_vars={**self.settings, **(mark or {})},
            pulumi_command=self._command,
            project_settings=auto.ProjectSettings(name=PROJECT, runtime="python", main=str(CHECKOUT)),
        )


def forget_variables() -> None:
    """Take OS_* and PULUMI_* settings of the shell out of this process: they would mix with clouds.yaml and with our own."""
    for name in [name for name in os.environ if name.startswith(("OS_", "PULUMI_")) and name != "OS_CLIENT_CONFIG_FILE"]:
        del os.environ[name]


def _outputs(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What the program of a stack gave out, by name."""
    root: Mapping[str, Any] = next((one for one in resources if one["type"] == "pulumi:pulumi:Stack"), {})
    return dict(root.get("outputs", {}))


def _projects(resources: Iterable[Mapping[str, Any]], *, domains: bool) -> Iterator[Mapping[str, Any]]:
    """Projects that the cloud has given an id, or the domains, which are projects to the provider."""
    for one in resources:
        if one["type"] == "openstack:identity/project:Project" and bool(one["inputs"].get("isDomain")) is domains and one.get("id"):
            yield one


def _interrupt(mark: Mapping[str, str]) -> int:
    """Have the engine finish what is under way, and take no further step; 0 when it has not begun."""
    return leftovers.interrupt(mark[leftovers.MARK], "pulumi")


def _nothing() -> None:
    """The program of operations that need none."""


def _unexplained(key: StackKey, operation: str, said: str, log: Path) -> Problem:
    if killed := re.match(r"\s*code: -(\d+)", said):  # as the library says it; what the engine had said is no reason then
        why, cure = f"its engine was ended from outside (signal {killed[1]}): killed, or out of memory", ENDED_OUTSIDE
        return Problem(f"{operation} of {key.name} was ended", where=f"log {log}", why=why, cure=cure)
    tail = "\n".join(line for line in said.splitlines() if line.strip())[-1500:]
    return Problem(f"{operation} of {key.name} failed", where=f"log {log}", why=tail, cure=NEXT_STEP)

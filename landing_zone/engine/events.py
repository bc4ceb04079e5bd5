"""What the Pulumi engine reports while it works, as counts for people and problems for the error block."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pulumi.automation.events import DiagnosticEvent, EngineEvent, OpType, StepEventMetadata

from foundation.errors import Problem
from landing_zone.engine.doubts import Doubt

COLOUR = re.compile(r"<\{%.*?%\}>")
TRACEBACK = "Traceback (most recent call last)"
OWN = re.compile(r"^  (where|why|cure): +", re.MULTILINE)
WRAPPINGS = (
    re.compile(r"^\S+\.go:\d+: sdk\.helper_schema: "),
    re.compile(r": provider=\w+@[\d.]+$"),
    re.compile(r"\b\d+ errors? occurred:\s*"),
    re.compile(r"(creating|updating|deleting|refreshing) urn:\S+: "),
    re.compile(r"(?<!\S)\* "),
    re.compile(r"OpenStack connection error, retries exhausted\. Aborting\. Last error was: "),
    re.compile(r"<[a-z/!][^>]*>", re.IGNORECASE),  # a gateway's answers are pages
)
LOST = re.compile(r"http: ContentLength=\d+ with Body length 0")  # of the second try on a connection that broke in the first
# What the engine and its Python library say once more when something has failed; the last when a failure ends the program during another.
ECHOES = ("update failed", "preview failed", "Exception calling application: invalid state")
SAID_BY_CLOUD = (re.compile(r'"(?:message|error_message)": ?"((?:[^"\\]|\\.)+)"'),)
QUIET = frozenset({OpType.SAME, OpType.READ, OpType.REFRESH, OpType.DISCARD, OpType.DISCARD_REPLACED})
REPLACING = frozenset({OpType.CREATE_REPLACEMENT, OpType.DELETE_REPLACED})
CREATING = frozenset({OpType.CREATE, OpType.CREATE_REPLACEMENT})

# A clear no of the cloud to the call that makes a thing (408 is none): nothing was made.
REFUSED = re.compile(r"\[POST [^\]]*\], but got 4(?!08)\d\d instead")
# What passes by itself: conflicts with another change, too many calls, a service being restarted, a lost connection.
PASSING = re.compile(
    r"but got (409|429|500|502|503|504) instead|connection reset|connection refused|broken pipe|\bEOF\b|i/o timeout"
    r"|handshake timeout|context deadline exceeded|with Body length 0",
    re.IGNORECASE,
)
# The word alone tells nothing: it stands in every call that sets a limit.
LASTING = re.compile(r"over_?quota|quota exceeded|duplicate|already exists", re.IGNORECASE)

# What cloud and engine say, and what a person can do about it; the first that is found in the message counts.
CURES: tuple[tuple[str, str], ...] = (
    ("overquota", "raise the project's quota in the environment file, or free what is not used, then run the same command again"),
    ("quota exceeded", "raise the project's quota in the environment file, or free what is not used, then run the same command again"),
    (
        "number of routes exceeds the maximum",
        "let the cloud's operator raise `max_routes` of Neutron (30 by default; the hub has two for each tenant), "
        "then run the same command again",
    ),
    ("no valid host", "free capacity or add hosts; `lz preflight` shows what is missing"),
    ("certificate", "check `cacert` of the region's entry in clouds.yaml and the clock of this machine"),
    ("connection refused", "is the cloud up? For the lab: lz lab status"),
    ("context deadline exceeded", "the cloud did not answer in time: look at its health, then run the same command again"),
    ("but got 429", "the cloud takes fewer calls at a time: run the same command again with a smaller --parallel and --side-by-side"),
    ("but got 409", "something else is changing the same thing: run the same command again when that has ended"),
    ("but got 5", "the service is ill or being restarted: look at its health (the lab: lz lab doctor), then run the same command again"),
    *(
        (mark, "the connection to the cloud was lost: run the same command again; what was half made is found and removed first")
        for mark in ("connection reset", "broken pipe", "eof", "body length 0", "i/o timeout")
    ),
)
NEXT_STEP = "the log has the whole story; run the same command again when the cause is gone: it goes on where it stopped"


@dataclass(frozen=True)
class Tick:
    """How far one stack has come: cloud resources done, and how many there are (0: not known yet)."""

    stack: str
    done: int
    total: int
    current: str


@dataclass(frozen=True)
class Task:
    """One operation on one stack that has begun; `total` cloud resources are expected (0: not known)."""

    stack: str
    operation: str
    total: int


class Listener(Protocol):
    """Who wants to know how the work comes along; called from several threads."""

    def begun(self, task: Task) -> None:
        """An operation has begun."""

    def ticked(self, tick: Tick) -> None:
        """One more resource is done."""

    def ended(self, stack: str, good: bool, seconds: float) -> None:
        """An operation has ended."""


@dataclass
class Tally:
    """Collects the events of one operation on one stack. `changes` counts cloud resources by what happens to them."""

    stack: str
    log: str
    total: int = 0
    listener: Listener | None = None
    changes: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)
    anything: bool = False
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    _passing: list[bool] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _done: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, event: EngineEvent) -> None:
        """Take in one event; called by the engine's reader in the order of the events."""
        if event.diagnostic_event:
            self._diagnosed(event.diagnostic_event)
        elif event.resource_pre_event and event.resource_pre_event.planning:
            self._stepped(event.resource_pre_event.metadata)
        elif event.res_outputs_event:
            self._stepped(event.res_outputs_event.metadata)
        elif event.res_op_failed_event:
            self._failed(event.res_op_failed_event.metadata)
        elif event.summary_event:
            self.anything = any(count for op, count in event.summary_event.resource_changes.items() if OpType(op) not in QUIET)

    @property
    def resources(self) -> int:
        """Cloud resources that stand when the operation is done."""
        return sum(count for op, count in self.changes.items() if op != "delete")

    @property
    def passing(self) -> bool:
        """True when something failed, and all of it is what passes by itself."""
        return bool(self._passing) and all(self._passing)

    def stopped(self, by: Problem) -> None:
        """Take in what ended the operation, before all that was said of it; it does not pass by itself."""
        self.problems.insert(0, by)
        self._passing.append(False)

    def _failed(self, step: StepEventMetadata) -> None:
        """The message about the failure has come before it."""
        if step.op in CREATING and step.new and is_cloud_resource(step.urn) and step.urn not in self._refused:
            self.doubts.append(Doubt(step.urn, step.new.type, dict(step.new.inputs or {})))

    def _stepped(self, step: StepEventMetadata) -> None:
        if not is_cloud_resource(step.urn) or step.op is OpType.REFRESH or (step.urn, step.op.value) in self._done:
            return
        self._done.add((step.urn, step.op.value))
        if step.op not in REPLACING:
            self.changes[step.op.value] += 1
            if step.op not in QUIET:
                self.details.append(f"{step.op.value} {name_of(step.urn)}{_differing(step)}")
        if self.listener:
            self.listener.ticked(Tick(self.stack, sum(self.changes.values()), self.total, name_of(step.urn)))

    def _diagnosed(self, event: DiagnosticEvent) -> None:
        if event.severity != "error":
            return
        text = (
            COLOUR.sub("", event.message)
            .strip()
            .removeprefix("an unhandled error occurred: ")
            .removeprefix("python inline source runtime error: ")
        )
        if not text or text.startswith(ECHOES):
            return
        self._passing.append(passes(text))
        if REFUSED.search(text):
            self._refused.add(event.urn or "")
        place = f"stack {self.stack}" + (f", {name_of(event.urn)}" if event.urn and is_cloud_resource(event.urn) else "")
        for problem in problems_in(text, f"{place}\nlog {self.log}"):
            if problem not in self.problems:
                self.problems.append(problem)


def problems_in(text: str, place: str) -> list[Problem]:
    """Problems out of an error message: those of our own programs as they were written, any other as one.

    `place` is added to where each one says that it is.
    """
    if TRACEBACK in text:
        head, _, trace = text.partition(TRACEBACK)
        text = head.strip() if OWN.search(head) else f"{head.strip()}\n  why:   {trace.strip().splitlines()[-1]}"
    if not OWN.search(text):
        said = plain(text)
        message = next((found for pattern in SAID_BY_CLOUD for found in pattern.findall(said)), "")
        return [Problem(message or said, place, said if message else "", cure_for(text))]
    return [_own_problem(block, place) for block in re.split(r"\n(?=\S)", text)]


def _own_problem(block: str, place: str) -> Problem:
    what, *lines = block.splitlines()
    parts = {"where": "", "why": "", "cure": ""}
    label = ""
    for line in lines:
        match = OWN.match(line)
        label, said = (match.group(1), line[match.end() :]) if match else (label, line)
        if label:
            parts[label] = f"{parts[label]}\n{said.strip()}".strip()
    return Problem(what.strip(), f"{parts['where']}\n{place}".strip(), parts["why"], parts["cure"] or cure_for(block))


def plain(text: str) -> str:
    """An error message without what the layers between the cloud and us have wrapped around it."""
    for wrapping in WRAPPINGS:
        text = wrapping.sub("", text)
    return " ".join(LOST.sub("the connection was lost before the cloud answered", text).split())


def passes(message: str) -> bool:
    """True when the cause of a failure is one that passes by itself, so that another try is worth while."""
    return PASSING.search(message) is not None and not LASTING.search(message)


def cure_for(message: str) -> str:
    """What a person does about a message of cloud or engine."""
    lower = message.lower()
    return next((cure for mark, cure in CURES if mark in lower), NEXT_STEP)


def is_cloud_resource(urn: str) -> bool:
    """True for what lives in the cloud: no stack, provider, component or reference."""
    kind = urn.split("::")[2].rsplit("$", maxsplit=1)[-1] if urn.count("::") >= 3 else ""
    return kind.startswith("openstack:")


def name_of(urn: str) -> str:
    """A resource as people say it: kind and name, such as `network moha-app`."""
    parts = urn.split("::")
    kind = parts[2].split("$")[-1].split(":")[-1]
    return f"{kind[:1].lower()}{kind[1:]} {parts[3]}"


def _differing(step: StepEventMetadata) -> str:
    detailed: Mapping[str, object] = step.detailed_diff or {}
    keys = sorted(detailed) or sorted(step.diffs or ())
    return f" ({', '.join(keys)})" if keys else ""

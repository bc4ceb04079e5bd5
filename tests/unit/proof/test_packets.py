"""A check passes only when what it claims was really seen; a silent listener proves nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from foundation.errors import LzError, Problem
from foundation.process import TimedOut
from landing_zone.engine.home import Home
from landing_zone.planners.plan import FlowCheck, InstanceSpec, Way
from landing_zone.proof import packets
from landing_zone.proof.packets import Attempt, control_of, judge, needed
from landing_zone.proof.results import Result, Verdict, worst

STOP = FlowCheck(
    key="k",
    source="edu",
    target="health",
    protocol="tcp",
    port=5432,
    address="10.0.0.9",
    allowed=False,
    positive_source="",
    control="NET-04",
    reason="tenants never meet",
)
PASS = replace(STOP, allowed=True)
SSH = replace(STOP, port=22, positive_source="bastion")
PING = replace(STOP, protocol="icmp", port=0)
DATAGRAM = replace(STOP, protocol="udp", port=22)
FROM_SOURCE, FROM_TARGET = Attempt("edu", "tcp", "10.0.0.9", 5432), Attempt("health", "tcp", "10.0.0.9", 5432)
SSH_FROM_SOURCE, SSH_FROM_BASTION = Attempt("edu", "tcp", "10.0.0.9", 22), Attempt("bastion", "tcp", "10.0.0.9", 22)
PING_FROM_SOURCE, PING_FROM_TARGET = Attempt("edu", "icmp", "10.0.0.9", 0), Attempt("health", "icmp", "10.0.0.9", 0)
UDP_FROM_SOURCE, UDP_FROM_TARGET = Attempt("edu", "udp", "10.0.0.9", 22), Attempt("health", "udp", "10.0.0.9", 22)


@pytest.mark.parametrize(
    ("check", "seen", "verdict"),
    [
        (STOP, {FROM_SOURCE: "no answer", FROM_TARGET: "answer: health"}, Verdict.PASS),
        (STOP, {FROM_SOURCE: "refused: No route to host", FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "refused: Network is unreachable", FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "cannot send: Network is unreachable", FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "refused: Connection refused", FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "answer: health", FROM_TARGET: "answer: health"}, Verdict.FAIL),
        (STOP, {FROM_SOURCE: "answer: ", FROM_TARGET: "answer: health"}, Verdict.FAIL),
        (STOP, {FROM_SOURCE: "no answer", FROM_TARGET: "no answer"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "no answer", FROM_TARGET: "answer: somebody else"}, Verdict.UNKNOWN),
        (STOP, {FROM_SOURCE: "no answer"}, Verdict.UNKNOWN),
        (STOP, {FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (PASS, {FROM_SOURCE: "answer: health"}, Verdict.PASS),
        (PASS, {FROM_SOURCE: "no answer", FROM_TARGET: "answer: health"}, Verdict.FAIL),
        (PASS, {FROM_SOURCE: "cannot send: it would send from fe80::1", FROM_TARGET: "answer: health"}, Verdict.FAIL),
        (PASS, {FROM_SOURCE: "answer: somebody else", FROM_TARGET: "answer: health"}, Verdict.FAIL),
        (PASS, {FROM_SOURCE: "no answer", FROM_TARGET: "no answer"}, Verdict.UNKNOWN),
        (PASS, {FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (SSH, {SSH_FROM_SOURCE: "no answer", SSH_FROM_BASTION: "answer: SSH-2.0-OpenSSH"}, Verdict.PASS),
        (SSH, {SSH_FROM_SOURCE: "no answer", SSH_FROM_BASTION: "no answer"}, Verdict.UNKNOWN),
        (replace(SSH, allowed=True), {SSH_FROM_SOURCE: "answer: SSH-2.0-OpenSSH"}, Verdict.PASS),
        (replace(SSH, allowed=True), {SSH_FROM_SOURCE: "no answer"}, Verdict.FAIL),
        (PING, {PING_FROM_SOURCE: "no answer", PING_FROM_TARGET: "answer: echo"}, Verdict.PASS),
        (PING, {PING_FROM_SOURCE: "answer: echo", PING_FROM_TARGET: "answer: echo"}, Verdict.FAIL),
        (PING, {PING_FROM_SOURCE: "not tried: no ping", PING_FROM_TARGET: "answer: echo"}, Verdict.UNKNOWN),
        (PING, {PING_FROM_SOURCE: "no answer", PING_FROM_TARGET: "not tried: no ping"}, Verdict.UNKNOWN),
        (replace(PING, allowed=True), {PING_FROM_SOURCE: "answer: echo"}, Verdict.PASS),
        (replace(PING, allowed=True), {PING_FROM_SOURCE: "no answer", PING_FROM_TARGET: "answer: echo"}, Verdict.FAIL),
        (DATAGRAM, {UDP_FROM_SOURCE: "no answer", UDP_FROM_TARGET: "answer: health"}, Verdict.PASS),
        (DATAGRAM, {UDP_FROM_SOURCE: "no answer", FROM_TARGET: "answer: health"}, Verdict.UNKNOWN),
        (replace(DATAGRAM, allowed=True), {UDP_FROM_SOURCE: "answer: health"}, Verdict.PASS),
        (replace(DATAGRAM, allowed=True), {UDP_FROM_SOURCE: "answer: SSH-2.0-OpenSSH"}, Verdict.UNKNOWN),
    ],
)
def test_verdict(check: FlowCheck, seen: dict[Attempt, str], verdict: Verdict) -> None:
    assert judge(check, seen)[0] is verdict


def test_positive_controls_are_tried_too() -> None:
    assert needed([STOP, SSH]) == {FROM_SOURCE, FROM_TARGET, SSH_FROM_SOURCE, SSH_FROM_BASTION}
    assert control_of(STOP) == FROM_TARGET


def probe(name: str) -> InstanceSpec:
    listens = (Way("tcp", 5432),)
    return InstanceSpec(name, f"{name}-north", "p", "data", None, "n", (("v4", "10.0.0.9"),), (), "f", "i", "debian", listens=listens)


@dataclass
class Ground:
    """Instances that are entered: says in which round an instance lets nobody in, and what a round's connections give (from, to)."""

    shut: set[tuple[str, int]] = field(default_factory=set)
    given: dict[tuple[str, int], str] = field(default_factory=dict)
    rounds: Counter[tuple[str, str]] = field(default_factory=Counter)
    own: dict[str, list[str]] = field(default_factory=dict)
    allowed: dict[tuple[str, str], float] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    listens: list[object] = field(default_factory=list)

    def enter(self, home: Home, name: str, command: list[str], *, stdin: str, timeout: float) -> str:
        program = "try" if command[-1] == packets.TRY else "listen"
        self.rounds[name, program] += 1
        at = self.rounds[name, program]
        self.allowed[name, program] = timeout
        if name in self.slow:
            raise TimedOut(Problem(f"no end after {timeout:.0f} s: ssh"))
        if (name, at) in self.shut:
            raise LzError(f"cannot enter {name}")
        if program == "listen":
            self.listens.append(json.loads(stdin))
            return ""
        asked, _, self.own[name], workers = json.loads(stdin)
        assert workers == packets.WORKERS
        return json.dumps([self.given.get((name, at), "no answer")] * len(asked))

    def judged(self, check: FlowCheck, folder: Path) -> tuple[Verdict, str, dict[str, str]]:
        results, problems = packets.try_all(Home(folder), {name: probe(name) for name in ("edu", "health")}, [check], "north")
        assert len(results) == 1
        return results[0].verdict, results[0].seen, problems


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Ground:
    made = Ground()
    monkeypatch.setattr(packets, "on_host", made.enter)
    return made


def test_every_source_is_told_which_addresses_are_its_own(ground: Ground, tmp_path: Path) -> None:
    ground.judged(STOP, tmp_path)
    assert ground.own == {"edu-north": ["10.0.0.9"], "health-north": ["10.0.0.9"]}


def test_every_listener_is_told_its_name_and_all_that_it_is_to_answer(ground: Ground, tmp_path: Path) -> None:
    packets.try_all(Home(tmp_path), {"edu": replace(probe("edu"), listens=()), "health": probe("health")}, [PING], "north")
    wanted = {"name": "health", "listeners": [["tcp", 5432]], "addresses": ["10.0.0.9"], "seconds": packets.LISTEN_SECONDS}
    assert ground.listens == [wanted, wanted]


def test_an_instance_that_lets_nobody_in_is_tried_once_more(ground: Ground, tmp_path: Path) -> None:
    ground.shut = {("edu-north", 1), ("health-north", 1)}
    ground.given = {("health-north", 2): "answer: health"}
    assert ground.judged(STOP, tmp_path) == (Verdict.PASS, "no answer, while health gets an answer", {})
    assert set(ground.rounds.values()) == {2}


def test_a_silence_of_before_the_listener_was_up_is_no_block(ground: Ground, tmp_path: Path) -> None:
    ground.shut = {("edu-north", 2)}
    ground.given = {("health-north", 2): "answer: health"}
    assert ground.judged(STOP, tmp_path)[:2] == (Verdict.UNKNOWN, "edu could not be entered")


@pytest.mark.parametrize(("address", "way"), [("10.0.0.9", "health ("), ("fd00::9", "health over IPv6 (")])
def test_what_was_tried_is_said(address: str, way: str, ground: Ground, tmp_path: Path) -> None:
    instances = {name: probe(name) for name in ("edu", "health")}
    ((one,), _) = packets.try_all(Home(tmp_path), instances, [replace(STOP, address=address)], "north")
    assert (one.control, one.check) == ("NET-04", f"edu may not reach tcp/5432 of {way}tenants never meet)")


def test_one_that_never_lets_anybody_in_is_named(ground: Ground, tmp_path: Path) -> None:
    ground.shut = {("edu-north", 1), ("health-north", 1), ("health-north", 2)}
    seen = "no answer, but health gets no answer either: could not be entered"
    assert ground.judged(STOP, tmp_path) == (Verdict.UNKNOWN, seen, {"health": "cannot enter health-north"})


def test_a_session_may_take_as_long_as_all_of_its_tries_when_none_is_answered(ground: Ground, tmp_path: Path) -> None:
    """From the bastion of a large environment more than a thousand connections are stopped."""
    many = [replace(STOP, port=port) for port in range(1, 1201)]
    packets.try_all(Home(tmp_path), {name: probe(name) for name in ("edu", "health")}, many, "north")
    ping = packets.SECONDS + 1  # the second request leaves a second after the first, and has all of its seconds
    assert ground.allowed["edu-north", "try"] >= packets.ENTER_SECONDS + 1200 / packets.WORKERS * ping
    assert ground.allowed["edu-north", "listen"] == packets.ENTER_SECONDS


def test_one_that_did_not_end_in_time_is_not_called_shut(ground: Ground, tmp_path: Path) -> None:
    ground.slow = {"edu-north"}
    ground.given = {("health-north", at): "answer: health" for at in (1, 2)}
    verdict, seen, problems = ground.judged(STOP, tmp_path)
    assert (verdict, seen) == (Verdict.UNKNOWN, "edu: not tried to the end: it did not end in time")
    assert problems["edu"].startswith("no end after 120 s")


@pytest.mark.parametrize(
    ("check", "given", "verdict"),
    [
        (PASS, {("edu-north", 2): "answer: health"}, Verdict.PASS),
        (PASS, {("health-north", 1): "answer: health", ("health-north", 2): "answer: health"}, Verdict.FAIL),
        (replace(PASS, positive_source="edu"), {("health-north", at): "answer: health" for at in (1, 2)}, Verdict.FAIL),
        (STOP, {("health-north", 2): "answer: health"}, Verdict.PASS),
        (STOP, {("health-north", 2): "answer: health", ("edu-north", 2): "answer: health"}, Verdict.FAIL),
    ],
)
def test_what_got_no_answer_where_one_was_due_is_tried_once_more(
    check: FlowCheck, given: dict[tuple[str, int], str], verdict: Verdict, ground: Ground, tmp_path: Path
) -> None:
    ground.given = given
    assert ground.judged(check, tmp_path)[0] is verdict
    assert set(ground.rounds.values()) == {2}


def test_a_hole_that_was_seen_once_is_one(ground: Ground, tmp_path: Path) -> None:
    ground.given = {("edu-north", 1): "answer: health", ("health-north", 1): "answer: health", ("health-north", 2): "answer: health"}
    assert ground.judged(STOP, tmp_path)[0] is Verdict.FAIL
    assert set(ground.rounds.values()) == {1}


def test_what_could_not_be_evaluated_is_never_a_pass() -> None:
    passed, unknown, failed = (Result("C", "north", "x", verdict, "") for verdict in (Verdict.PASS, Verdict.UNKNOWN, Verdict.FAIL))
    assert worst([passed, passed]) is Verdict.PASS
    assert worst([passed, unknown]) is Verdict.UNKNOWN
    assert worst([passed, unknown, failed]) is Verdict.FAIL
    assert worst([]) is Verdict.UNKNOWN

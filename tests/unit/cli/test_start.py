"""`lz quickstart`: what it does, in which order, and how it ends."""

from __future__ import annotations

import json
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from foundation import stopping
from foundation.errors import INTERRUPTED, LzError, Problem
from landing_zone.cli import main
from landing_zone.engine.opening import Asked
from landing_zone.engine.runs import Selection
from landing_zone.engine.stack import Outcome, StackKey
from landing_zone.proof.results import Result, Verdict

DONE = Outcome(StackKey("lab", "north", "network"), "up", {"create": 12}, (), True, 12, 7.0)


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What quickstart did; the proof finds one `pass`."""
    steps: list[str] = []

    def lab_up(names: tuple[str, ...], compute: str, progress: object) -> Any:
        steps.append(f"lab up {' '.join(names)} {compute}")
        return SimpleNamespace(regions=names, compute="uml")

    def bring_up(asked: Asked, progress: object, *, yes: bool, quiet: bool) -> Any:
        steps.append(f"up {asked.environment} {' '.join(asked.regions)}")
        assert yes
        return SimpleNamespace(), Selection(), [DONE]

    monkeypatch.setattr("tools.engine.install", lambda progress: steps.append("engine"))
    monkeypatch.setattr("lab.lifecycle.up", lab_up)
    monkeypatch.setattr("lab.requirements.default_regions", lambda: ("north", "south"))
    monkeypatch.setattr("lab.requirements.missing", lambda *_: ())
    monkeypatch.setattr(stopping, "_told", threading.Event())
    monkeypatch.setattr("landing_zone.cli.changes.bring_up", bring_up)
    monkeypatch.setattr("landing_zone.cli.changes.ways_on", lambda run, env, chosen: [f"lz verify --env {env}"])
    proof_finds(monkeypatch, steps, Verdict.PASS)
    return steps


def proof_finds(monkeypatch: pytest.MonkeyPatch, steps: list[str], *verdicts: Verdict) -> None:
    def prove(asked: Asked, progress: object) -> list[Result]:
        steps.append(f"proof {asked.environment} {' '.join(asked.regions)}")
        return [Result("NET-02", "north", "a port is closed", verdict, "an answer") for verdict in verdicts]

    monkeypatch.setattr("landing_zone.cli.proving.prove", prove)


def fails(*_: object) -> None:
    raise LzError(Problem("it broke", cure="mend it"))


def works(did: list[str]) -> None:
    """For long; what ends it is noted."""
    try:
        stopping.pause(10)
    finally:
        did.append(type(sys.exception()).__name__)


def test_engine_and_lab_then_the_landing_zone_then_its_proof(did: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart"]) == 0
    assert sorted(did[:2]) == ["engine", "lab up north south auto"]  # side by side
    assert did[2:] == ["up lab north south", "proof lab north south"]
    said = capsys.readouterr().out
    assert said.index("1 pass") < said.index("12 created") < said.index("What next:") < said.index("lz verify --env lab")


def test_regions_and_compute_are_those_that_were_asked_for(did: list[str]) -> None:
    assert main(["quickstart", "--region", "south", "--compute", "qemu"]) == 0
    assert {"lab up south qemu", "up lab south", "proof lab south"} <= set(did)


@pytest.mark.parametrize(
    ("found", "code"), [((Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN), 4), ((Verdict.PASS, Verdict.UNKNOWN), 5), ((Verdict.PASS,), 0)]
)
def test_it_ends_as_the_proof_ends_and_tells_what_stands_all_the_same(
    did: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: tuple[Verdict, ...], code: int
) -> None:
    proof_finds(monkeypatch, did, *found)
    assert main(["quickstart"]) == code
    said = capsys.readouterr().out
    assert ("a port is closed" in said) == (code != 0)
    assert "12 created" in said
    assert "What next:" in said


def test_all_that_it_did_comes_as_one_document_where_asked_for(
    did: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    proof_finds(monkeypatch, did, Verdict.FAIL)
    assert main(["quickstart", "--json"]) == 4
    told = json.loads(capsys.readouterr().out)
    assert (told["regions"], told["compute"]) == (["north", "south"], "uml")
    assert [(each["stack"], each["changes"]) for each in told["stacks"]] == [("lab.north.network", {"create": 12})]
    assert [(each["control"], each["result"]) for each in told["results"]] == [("NET-02", "fail")]
    assert told["seconds"] >= 0


@pytest.mark.parametrize("broken", ["tools.engine.install", "lab.lifecycle.up"])
def test_without_engine_or_lab_nothing_is_brought_up(
    did: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    monkeypatch.setattr(broken, fails)
    assert main(["quickstart"]) == 1
    assert capsys.readouterr().err.endswith("error: it broke\n  cure:  mend it\n")
    assert not [step for step in did if step.startswith(("up", "proof"))]


def test_a_machine_that_is_not_fit_hears_it_before_anything_begins(
    did: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lacking = (
        Problem("programs are missing: nft", cure="apt-get install nftables"),
        Problem("/dev/net/tun is missing", cure="modprobe tun"),
    )
    monkeypatch.setattr("lab.requirements.missing", lambda *_: lacking)
    assert main(["quickstart", "--region", "nroth"]) == 2
    said = capsys.readouterr().err
    assert [what in said for what in ("there is no region 'nroth'", "nft", "/dev/net/tun")] == [True] * 3
    assert did == []


def test_compute_that_cannot_be_had_is_refused_before_anything_begins(did: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--compute", "vax"]) == 2
    assert "there is no compute kind 'vax'" in capsys.readouterr().err
    assert did == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("broken", "other"), [("tools.engine.install", "lab.lifecycle.up"), ("lab.lifecycle.up", "tools.engine.install")])
def test_when_one_of_engine_and_lab_fails_the_other_is_stopped_and_it_is_told_at_once(
    did: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str, other: str
) -> None:
    monkeypatch.setattr(broken, fails)
    monkeypatch.setattr(other, lambda *_: works(did))
    assert main(["quickstart"]) == 1
    said = capsys.readouterr().err
    assert did == ["KeyboardInterrupt"]
    assert said.index("it broke; what goes on beside it is brought to its end") < said.index("error: it broke\n  cure:  mend it\n")


@pytest.mark.timeout(20)
def test_ctrl_c_ends_what_the_engine_waits_for(did: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.engine.install", lambda _: works(did))
    monkeypatch.setattr("lab.lifecycle.up", interrupted)
    assert main(["quickstart"]) == INTERRUPTED
    assert did == ["KeyboardInterrupt"]

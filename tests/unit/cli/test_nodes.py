"""`lz nodes check`: every node is compared with the role and asked what is in force; either half alone can say no."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from landing_zone.cli import main
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Selection
from landing_zone.proof.results import Result, Verdict
from landing_zone.ssh.hosts import Host
from tests.unit.engine.support import plan

NODES = [Host(name, "north", "i", "10.64.0.2", "debian", None) for name in ("one", "two")]
GOOD = (Verdict.PASS, Verdict.PASS)


@pytest.mark.parametrize(
    ("compared", "asked", "code"),
    [
        (GOOD, GOOD, 0),
        ((Verdict.PASS, Verdict.FAIL), GOOD, 4),
        (GOOD, (Verdict.PASS, Verdict.FAIL), 4),
        (GOOD, (Verdict.UNKNOWN, Verdict.PASS), 5),
    ],
)
def test_every_node_is_compared_and_asked(
    compared: tuple[Verdict, Verdict],
    asked: tuple[Verdict, Verdict],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    stacks = SimpleNamespace(home=Home(tmp_path))
    answers = dict(zip(("one", "two"), asked, strict=True))

    def compare(*_: object) -> list[Result]:
        return [Result("CMP-02", "north", f"{one.name} compared", verdict, "") for one, verdict in zip(NODES, compared, strict=True)]

    def ask(region: str, name: str, node: str) -> list[Result]:
        assert node == f"{name} by {stacks.home.ssh_config}"
        return [Result("CMP-02", region, f"{name} asked", answers[name], "")]

    monkeypatch.setattr("landing_zone.cli.nodes.open_offline", lambda _: (plan(), Selection(), stacks))
    monkeypatch.setattr("landing_zone.inventory.hosts", lambda *_: NODES)
    monkeypatch.setattr("landing_zone.inventory.ansible", lambda *_: {})
    monkeypatch.setattr("landing_zone.cli.nodes.renew", lambda *_: None)
    monkeypatch.setattr("landing_zone.nodes.check", compare)
    monkeypatch.setattr("landing_zone.effective.enter", lambda name, config: f"{name} by {config}")
    monkeypatch.setattr("landing_zone.effective.check", ask)
    assert main(["nodes", "check", "--env", "lab", "--json"]) == code
    said = [one["check"] for one in json.loads(capsys.readouterr().out)]
    assert said == ["one compared", "two compared", "one asked", "two asked"]

"""The proof of the way in: a refusal counts only beside an entry, and only when the host itself refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from foundation.errors import LzError, Problem
from landing_zone.engine.home import Home
from landing_zone.proof import entry
from landing_zone.proof.results import Verdict
from landing_zone.ssh.hosts import Host

BASTION = Host("lab-bastion-north", "north", "i1", "198.18.1.10", "debian", None)
DENIED = "debian@198.18.1.10: Permission denied (publickey)."
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("good", "bad", "verdicts"),
    [
        ("", DENIED, [PASS, PASS, PASS]),
        ("", "", [PASS, FAIL, FAIL]),
        ("", "Connection refused", [PASS, UNKNOWN, UNKNOWN]),
        (DENIED, DENIED, [FAIL, UNKNOWN, UNKNOWN]),
    ],
)
def test_verdicts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str, bad: str, verdicts: list[Verdict]) -> None:
    """`good`, `bad`: what ssh says to a good certificate and to bad ones ("": it enters)."""
    offered: list[str] = []

    def host(home: Home, name: str, command: Any, *, config: Path | None = None) -> str:
        if config:
            offered.append(config.read_text())
        if said := bad if config else good:
            raise LzError(Problem("cannot enter", why=said))
        return "bastion"

    monkeypatch.setattr(entry, "on_host", host)
    assert [result.verdict for result in entry.check(Home(tmp_path), "lab", BASTION)] == verdicts
    assert [text.count("IdentityFile") for text in offered] == ([2, 1] if good == "" else [])

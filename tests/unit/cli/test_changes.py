"""`lz up` keeps the ledger of what it gives out, and a rehearsal gives out nothing."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.progress import Progress
from landing_zone import preflight
from landing_zone.cli import changes
from landing_zone.engine.opening import Asked
from landing_zone.engine.runs import Selection


@pytest.mark.parametrize(("reference", "kept"), [("regional-dc", ["regional-dc.yaml"]), ("regional-dc@lab", [])])
def test_the_ledger_is_written_for_what_is_real(reference: str, kept: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[str] = []
    run: Any = SimpleNamespace(
        plan=SimpleNamespace(ledger=None),
        connections={},
        planned=lambda chosen: [],
        previews=lambda keys, full: [SimpleNamespace(changed=True)],
        apply=lambda previews: [],
    )
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(changes, "open_alone", lambda asked, say, board: nullcontext((run, Selection())))
    monkeypatch.setattr(preflight, "examine", lambda run, chosen: [])
    monkeypatch.setattr(changes, "pin", lambda run, regions: None)
    monkeypatch.setattr("landing_zone.engine.credentials.ensure", lambda run, keys: None)
    monkeypatch.setattr(changes, "save_ledger", lambda path, ledger: written.append(path.name))
    changes.bring_up(Asked(reference), Progress(), yes=True, quiet=True)
    assert written == kept

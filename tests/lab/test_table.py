"""The state in a PostgreSQL server, by one setting of the environment file: identities are made, found again and removed by `lz`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.settings import Places
from landing_zone.engine.home import Home
from landing_zone.engine.opening import environment_file
from landing_zone.engine.stores.postgres import Table
from tests.support import postgres
from tests.support.command import lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

CODE = "intable"
PART = ("--region", "north", "--layer", "identity")


@pytest.fixture
def kept(equipped: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Table]]:
    """An environment whose state lies in a table, and that table."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # where the server's own account may enter
    try:
        with postgres.running(folder) as database:
            monkeypatch.setenv("PGPASSFILE", str(database.passfile))
            file = tmp_path / f"{CODE}.yaml"
            setting = f'\nstate: {{backend: postgres, url: "{database.url}"}}\n'
            file.write_text(environment_file("lab").read_text().replace("code: lab\n", f"code: {CODE}\n") + setting)
            yield str(file), Table.of(database.url)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(Home.of(CODE).root, ignore_errors=True)


def test_lz_makes_finds_and_removes_what_is_kept_there(kept: tuple[str, Table]) -> None:
    file, table = kept
    up = lz("up", "--env", file, *PART, "--yes")
    assert up.returncode == 0, up.stderr
    try:
        home = Home.of(CODE)
        states = {key: (table.read(key) or b"").decode() for key in table.keys("")}
        assert any(f"{CODE}.north.identity" in key for key in states), sorted(states)
        assert not home.backend.exists() or not list(home.backend.rglob("*.json"))
        secrets = [path.read_text() for path in (home.root / "secrets").iterdir()] + [home.passphrase.read_text()]
        assert not [key for key, content in states.items() if any(secret in content for secret in secrets)]
        plan = lz("plan", "--env", file, *PART, "--full", "--json")
        assert [set(stack["changes"]) for stack in json.loads(plan.stdout)] == [{"same"}], plan.stderr
        assert json.loads(lz("state", "doctor", "--env", file, "--json").stdout) == {"found": [], "left": []}
    finally:
        down = lz("down", "--env", file, *PART, "--yes")
    assert down.returncode == 0, down.stderr
    assert not [key for key in table.keys("") if key.endswith(f"{CODE}.north.identity.json")]

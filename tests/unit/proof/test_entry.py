"""The proof of the way in: a refusal counts only beside an entry, and only when the host itself refused."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from foundation.errors import LzError, Problem
from landing_zone.engine.home import Home
from landing_zone.proof import entry
from landing_zone.proof.results import Verdict
from landing_zone.ssh.certificates import load
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


def test_each_bad_certificate_is_bad_in_one_way_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is refused for two reasons passes also where a host looks at one of them only."""
    home = Home(tmp_path)
    authority = load(home.user_ca).public_key().public_bytes_raw()
    offered: list[list[dict[str, bool]]] = []

    def facts(file: str) -> dict[str, bool]:
        made = load_ssh_public_identity(Path(file).read_bytes())
        assert isinstance(made, SSHCertificate)
        made.verify_cert_signature()
        return {
            "authority": made.signature_key().public_bytes_raw() == authority,  # type: ignore[union-attr]
            "place": set(made.valid_principals) == {b"lab-bastion-north", b"lab.north"},
            "time": made.valid_after <= time.time() < made.valid_before,
        }

    def host(home: Home, name: str, command: Any, *, config: Path | None = None) -> str:
        if config is None:
            return "bastion"
        offered.append([facts(line.split()[1]) for line in config.read_text().splitlines() if "CertificateFile" in line])
        raise LzError(Problem("cannot enter", why=DENIED))

    monkeypatch.setattr(entry, "on_host", host)
    list(entry.check(home, "lab", BASTION))
    wrong = [[[name for name, good in one.items() if not good] for one in each] for each in offered]
    assert wrong == [[["time"], ["place"]], [["authority"]]]

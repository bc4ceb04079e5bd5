"""SSH certificates: what OpenSSH reads out of them, what is kept of them, and what goes when their time is over."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest

from foundation.errors import InputError
from landing_zone.cli.entering import enter, find
from landing_zone.engine.home import Home
from landing_zone.ssh.certificates import SKEW, Pass, identity, issue, load, make
from landing_zone.ssh.hosts import Host, renew

BASTION = Host("lab-bastion-north", "north", "i1", "198.18.1.10", "debian", None)
PROBE = Host("lab-probe-north", "north", "i2", "10.64.0.2", "debian", "lab-bastion-north")
FAR = Host("lab-bastion-south", "south", "i3", "198.18.2.10", "debian", None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def read(entry: Pass) -> str:
    """The certificate in ssh-keygen's words."""
    return subprocess.run(["ssh-keygen", "-L", "-f", entry.certificate], check=True, capture_output=True, text=True).stdout


def test_openssh_reads_all_that_was_said(home: Home) -> None:
    entry = issue(home, ["lab-bastion-north", "lab-probe-north"], 15)
    said = read(entry)
    words = said.split()
    assert "user certificate" in said
    assert f'Key ID: "{identity()}"' in said
    assert f"Serial: {entry.serial}" in said
    assert words[words.index("Principals:") + 1 : words.index("Critical")] == ["lab-bastion-north", "lab-probe-north"]
    assert words[words.index("Extensions:") + 1 :] == ["permit-port-forwarding", "permit-pty"]
    assert "Critical Options: (none)" in said


def test_it_is_signed_by_the_authority_that_hosts_trust(home: Home, tmp_path: Path) -> None:
    public = tmp_path / "ca.pub"
    public.write_text(home.user_ca_public)
    print_ = subprocess.run(["ssh-keygen", "-l", "-f", public], check=True, capture_output=True, text=True).stdout.split()[1]
    assert f"Signing CA: ED25519 {print_}" in read(issue(home, ["lab.north"], 15))


def test_it_is_good_for_as_long_as_was_asked(home: Home) -> None:
    entry = issue(home, ["lab.north"], 15)
    assert entry.until == pytest.approx(time.time() + 900, abs=30)
    end = read(entry).partition(" to ")[2].split()[0]
    assert time.mktime(time.strptime(end, "%Y-%m-%dT%H:%M:%S")) == entry.until


def test_it_is_good_at_once_also_where_a_clock_is_behind(home: Home) -> None:
    start = read(issue(home, ["lab.north"], 15)).partition("from ")[2].split()[0]
    assert time.mktime(time.strptime(start, "%Y-%m-%dT%H:%M:%S")) == pytest.approx(time.time() - SKEW, abs=30)


def test_its_key_is_fresh_private_and_its_own(home: Home) -> None:
    first, second = issue(home, ["lab.north"], 15), issue(home, ["lab.north"], 15)
    assert first.key.read_text() != second.key.read_text()
    for entry in (first, second):
        assert entry.key.stat().st_mode & 0o077 == 0
        public = subprocess.run(["ssh-keygen", "-y", "-f", entry.key], check=True, capture_output=True, text=True).stdout
        assert "ssh-ed25519-cert-v01@openssh.com" in entry.certificate.read_text()
        assert "ssh-ed25519 " in public


def test_a_record_of_every_one_is_kept(home: Home) -> None:
    entries = [issue(home, ["lab.north"], 15), issue(home, ["lab-bastion-south"], 30)]
    lines = [json.loads(line) for line in home.issued.read_text().splitlines()]
    assert [line["serial"] for line in lines] == [entry.serial for entry in entries]
    assert [line["until"] for line in lines] == [entry.until for entry in entries]
    assert lines[1]["principals"] == ["lab-bastion-south"]
    assert lines[0]["who"] == identity()
    assert home.issued.stat().st_mode & 0o077 == 0


def test_what_is_over_is_removed_by_the_next_one(home: Home) -> None:
    now = int(time.time())
    over = make(home.passes, load(home.user_ca), ["lab.north"], "x", (now - 20, now - 10))
    over.config.write_text("")
    (home.passes / "note").write_text("of a person")
    good = issue(home, ["lab.north"], 15)
    issue(home, ["lab.north"], 15)
    assert (home.passes / "note").exists()
    assert not [path for path in (over.key, over.certificate, over.config) if path.exists()]
    assert good.key.exists()
    good.discard()
    assert not good.key.exists()
    assert not good.certificate.exists()


def test_the_person_behind_sudo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "somebody")
    assert identity().startswith("somebody@")


def test_ssh_config_names_a_certificate_for_the_regions_that_stand(home: Home) -> None:
    text = renew(home, "lab", [BASTION, PROBE, FAR]).read_text()
    (key,) = [line.split()[1] for line in text.splitlines() if "IdentityFile" in line]
    assert f"CertificateFile {key}-cert.pub" in text
    said = subprocess.run(["ssh-keygen", "-L", "-f", f"{key}-cert.pub"], check=True, capture_output=True, text=True).stdout.split()
    assert said[said.index("Principals:") + 1 : said.index("Critical")] == ["lab.north", "lab.south"]
    assert not renew(home, "lab", []).exists()


def test_a_session_is_for_its_way_only(home: Home) -> None:
    entry = enter(home, [BASTION, PROBE, FAR], PROBE, 5)
    assert "lab-bastion-south" not in entry.config.read_text()
    assert f"ProxyCommand ssh -F {entry.config} -W" in entry.config.read_text()
    words = read(entry).split()
    assert words[words.index("Principals:") + 1 : words.index("Critical")] == ["lab-probe-north", "lab-bastion-north"]


def test_hosts_are_found_by_name_and_the_bastion_by_that_word() -> None:
    assert find([BASTION, PROBE], "bastion", "lab") is BASTION
    assert find([BASTION, PROBE], "lab-probe-north", "lab") is PROBE
    with pytest.raises(InputError, match="no host 'nobody'") as caught:
        find([BASTION, PROBE], "nobody", "lab")
    assert "lab-probe-north" in caught.value.problems[0].cure
    with pytest.raises(InputError, match="nothing stands"):
        find([], "bastion", "lab")

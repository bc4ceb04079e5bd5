"""Host keys: out of complete console blocks only, kept for an instance once pinned, renewed for a new instance."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from foundation.errors import LzError
from foundation.places import CHECKOUT
from landing_zone.engine.home import Home
from landing_zone.ssh.certificates import Pass
from landing_zone.ssh.hosts import Host, write_config
from landing_zone.ssh.pinning import keys_in, pin, pinned_instance, unpin

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJ9cEXAMPLEKEYEXAMPLEKEYEXAMPLEKEYEXAMPLE"
BLOCK = f"""[   12.1] cloud-init[301]: something
-----BEGIN SSH HOST KEY KEYS-----
ecdsa-sha2-nistp256 {KEY}A= root@bastion
ssh-ed25519 {KEY} root@bastion
-----END SSH HOST KEY KEYS-----
login: """


def host(instance: str = "i1") -> Host:
    return Host("lab-bastion-north", "north", instance, "198.18.1.10", "debian", None)


def cloud(*consoles: str) -> MagicMock:
    made = MagicMock()
    made.compute.get_server_console_output.side_effect = [{"output": text} for text in consoles]
    return made


def test_keys_of_a_complete_block() -> None:
    assert keys_in(BLOCK) == [f"ecdsa-sha2-nistp256 {KEY}A=", f"ssh-ed25519 {KEY}"]


@pytest.mark.parametrize("console", ["", "no keys here", BLOCK.partition("-----END")[0], f"ssh-ed25519 {KEY} root@x"])
def test_no_keys_out_of_anything_else(console: str) -> None:
    assert keys_in(console) == []


def test_the_last_block_counts() -> None:
    assert keys_in(BLOCK.replace(KEY, "B" * 60) + BLOCK)[1] == f"ssh-ed25519 {KEY}"


def test_pinning_waits_for_the_keys_and_writes_known_hosts(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert pin(home, [host()], lambda _: cloud("booting", BLOCK), pause=0) == [host()]
    lines = home.known_hosts.read_text().splitlines()
    assert lines[1] == f"lab-bastion-north ssh-ed25519 {KEY} i1"
    assert pinned_instance(home, "lab-bastion-north") == "i1"


def test_a_pinned_key_stays_whatever_the_console_says_later(tmp_path: Path) -> None:
    home = Home(tmp_path)
    pin(home, [host()], lambda _: cloud(BLOCK), pause=0)
    before = home.known_hosts.read_text()
    assert pin(home, [host()], lambda _: cloud(BLOCK.replace(KEY, "B" * 60)), pause=0) == []
    assert home.known_hosts.read_text() == before


def test_a_new_instance_of_the_name_gets_its_own_keys_pinned(tmp_path: Path) -> None:
    home = Home(tmp_path)
    pin(home, [host()], lambda _: cloud(BLOCK), pause=0)
    pin(home, [host("i2")], lambda _: cloud(BLOCK.replace(KEY, "B" * 60)), pause=0)
    text = home.known_hosts.read_text()
    assert KEY not in text
    assert pinned_instance(home, "lab-bastion-north") == "i2"


def test_silence_is_an_error_that_names_the_instance(tmp_path: Path) -> None:
    with pytest.raises(LzError, match="has not printed its SSH host keys") as caught:
        pin(Home(tmp_path), [host()], lambda _: cloud("booting"), patience=-1, pause=0)
    assert "instance i1" in caught.value.problems[0].where


def test_forgetting(tmp_path: Path) -> None:
    home = Home(tmp_path)
    pin(home, [host()], lambda _: cloud(BLOCK), pause=0)
    unpin(home, ["lab-bastion-north"])
    assert home.known_hosts.read_text() == ""


def test_pins_of_other_hosts_stay(tmp_path: Path) -> None:
    """Each region has its own cloud; a key that was lost could not be read again from a console that has gone on."""
    home = Home(tmp_path)
    south = Host("lab-bastion-south", "south", "i9", "198.18.2.10", "debian", None)
    clouds = {"north": cloud(BLOCK, BLOCK), "south": cloud(BLOCK.replace(KEY, "C" * 60))}
    assert pin(home, [host(), south], lambda region: clouds[region], pause=0) == [host(), south]
    before = [line for line in home.known_hosts.read_text().splitlines() if line.startswith("lab-bastion-south ")]
    assert len(before) == 2
    pin(home, [host("i2"), south], lambda region: clouds[region], pause=0)
    unpin(home, ["lab-bastion-north"])
    assert home.known_hosts.read_text().splitlines() == before


def test_a_host_that_is_silent_keeps_no_other_from_being_pinned(tmp_path: Path) -> None:
    home = Home(tmp_path)
    south = Host("lab-bastion-south", "south", "i9", "198.18.2.10", "debian", None)
    clouds = {"north": cloud(BLOCK), "south": cloud("booting")}
    with pytest.raises(LzError, match="lab-bastion-south has not printed"):
        pin(home, [host(), south], lambda region: clouds[region], patience=-1, pause=0)
    assert pinned_instance(home, "lab-bastion-north") == "i1"


@pytest.mark.parametrize("damage", ["lab-bastion-north", "half", ""])
def test_a_damaged_line_is_no_pin_and_stops_nobody(tmp_path: Path, damage: str) -> None:
    home = Home(tmp_path)
    pin(home, [host()], lambda _: cloud(BLOCK), pause=0)
    home.known_hosts.write_text(f"{damage}\n{home.known_hosts.read_text()}")
    assert pinned_instance(home, "lab-bastion-north") == "i1"
    assert pinned_instance(home, "half") is None
    unpin(home, ["lab-bastion-north"])
    assert "lab-bastion-north" not in home.known_hosts.read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda home: unpin(home, ["lab-bastion-north"]),
        lambda home: pin(home, [host("i2")], lambda _: cloud(BLOCK.replace(KEY, "B" * 60)), pause=0),
    ],
    ids=["unpin", "pin"],
)
def test_whoever_is_killed_while_pins_change_leaves_them_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Home], object]
) -> None:
    home = Home(tmp_path)
    pin(home, [host()], lambda _: cloud(BLOCK), pause=0)
    before = home.known_hosts.read_text()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", killed)  # the very last thing that is done
    with pytest.raises(KeyboardInterrupt):
        change(home)
    assert home.known_hosts.read_text() == before


def test_ssh_config_refuses_unknown_hosts_and_goes_through_the_bastion(tmp_path: Path) -> None:
    home = Home(tmp_path)
    probe = Host("lab-probe-north", "north", "i2", "10.64.0.2", "debian", "lab-bastion-north")
    text = write_config(home, [probe, host()], [Pass(tmp_path / "key", 1, 0)], home.ssh_config).read_text()
    assert f"IdentityFile {tmp_path}/key" in text
    assert "StrictHostKeyChecking yes" in text
    assert f"UserKnownHostsFile {home.known_hosts}" in text
    assert f"ProxyCommand ssh -F {home.ssh_config} -W [%h]:%p lab-bastion-north" in text.partition("Host lab-probe-north")[2]
    assert "ProxyCommand" not in text.partition("Host lab-bastion-north")[2].partition("Host lab-probe")[0]


def test_openssh_asks_for_the_pinned_key_of_the_name_and_offers_no_key_of_a_person(tmp_path: Path) -> None:
    """A key of the person's own that opens a host would be taken for a hole, or for a way in that there is not."""
    home = Home(tmp_path)
    far = Host("lab-bastion-south", "south", "i2", "198.18.2.10", "cloud", None)
    config = write_config(home, [host(), far], [Pass(tmp_path / "key", 1, 0)], home.ssh_config)
    said = subprocess.run(["ssh", "-G", "-F", config, far.name], check=True, capture_output=True, text=True).stdout
    asked = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    wanted = {
        "hostname": "198.18.2.10", "port": "22", "user": "cloud", "hostkeyalias": "lab-bastion-south",
        "userknownhostsfile": str(home.known_hosts), "globalknownhostsfile": "none", "stricthostkeychecking": "true",
        "updatehostkeys": "false", "identitiesonly": "yes", "passwordauthentication": "no",
        "identityfile": str(tmp_path / "key"), "certificatefile": str(tmp_path / "key-cert.pub"),
    }  # fmt: skip
    assert {name: asked.get(name) for name in wanted} == wanted


SWITCHED_OFF = (
    r"StrictHostKeyChecking[\"'=: ]+(no|off|accept)", r"UserKnownHostsFile[\"'=: ]+/dev/null",
    "HOST_KEY_CHECKIN[G]", "host_key_checking: *[Ff]alse",
)  # fmt: skip
TEXTS = {".py", ".md", ".yml", ".yaml", ".sh", ".cfg", ".j2"}


def test_no_program_or_page_of_ours_switches_host_keys_off() -> None:
    off = re.compile("|".join(SWITCHED_OFF))
    folders = [path for path in CHECKOUT.iterdir() if path.is_dir() and path.name not in {".git", ".venv"}]
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in TEXTS]
    assert len(files) > 400
    assert [str(file.relative_to(CHECKOUT)) for file in files if off.search(file.read_text(errors="replace"))] == []

"""What only some sites set: where SSH is listened for and by whom, and packages from a mirror of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.process import CommandFailed, run
from tests.nodes.node import ADDRESS, Node
from tests.nodes.play import play

NAMED = {"node_baseline_ssh": {"listen_addresses": [ADDRESS]}}
SECOND = "2001:db8::1"
LATE = f"""[Unit]
Description=An address that comes late, as from a slow server
[Service]
ExecStart=/bin/sh -c 'sleep 5; exec ip address add {ADDRESS}/24 dev host0'
[Install]
WantedBy=multi-user.target
"""
ELSEWHERE = "10.231.0.99"
SOON: dict[str, object] = {"node_baseline_lockout": {"rollback_seconds": 20}}
SITE = "http://mirror.example.org"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


def listening(one: Node) -> list[str]:
    """Where somebody listens for SSH, with `systemd` behind it if that does."""
    rows = (line.split() for line in one.inside("ss", "-Hltnp", "sport = :22").splitlines())
    return [f"{address} systemd" if '"systemd"' in users else address for *_, address, _, users in rows]


@pytest.fixture
def late(fresh: Node) -> Iterator[Node]:
    """A node whose address comes some seconds after its services, from the next boot on."""
    network, unit = fresh.root / "etc/systemd/network/10-node.network", fresh.root / "etc/systemd/system/late.service"
    before = network.read_text()
    network.write_text(before.replace(f"Address={ADDRESS}/24\n", ""))
    unit.write_text(LATE)
    fresh.inside("systemctl", "enable", "late.service")
    yield fresh
    fresh.inside("systemctl", "disable", "late.service")
    network.write_text(before)


def test_a_node_that_listens_on_an_address_is_entered_although_that_comes_late(late: Node) -> None:
    """The server itself would find no address, end, and not be started again: nobody gets in."""
    done = play(late, NAMED, themes=("ssh",))
    assert done.good, done.tail
    late.reboot()
    assert listening(late) == [f"{ADDRESS}:22 systemd"]
    assert late.ssh("sudo", "-n", "id", "-un").strip() == "root"
    again = play(late, NAMED, themes=("ssh",))
    assert (again.good, again.changes) == (True, []), again.tail


def test_a_server_that_systemd_started_takes_new_settings(fresh: Node) -> None:
    """Written is not in force: without a restart the server that runs already passes nothing on."""
    through: list[str | Path] = ["ssh", "-F", fresh.ssh_config, "-W", f"{ADDRESS}:22", "node"]
    with pytest.raises(CommandFailed):
        run(through, stdin="", timeout=60)
    done = play(fresh, {**NAMED, "node_baseline_profile": "bastion"}, themes=("ssh",))
    assert done.good, done.tail
    assert run(through, stdin="", timeout=60).startswith("SSH-2.0")
    assert listening(fresh) == [f"{ADDRESS}:22 systemd"]


def test_systemd_listens_on_all_addresses_when_none_is_named(fresh: Node) -> None:
    """By itself the one for IPv6 takes the other's port too, and then neither listens."""
    done = play(fresh, {"node_baseline_ssh": {"socket_activation": True}}, themes=("ssh",))
    assert done.good, done.tail
    assert sorted(listening(fresh)) == ["0.0.0.0:22 systemd", "[::]:22 systemd"]


def test_an_address_of_ipv6_is_listened_on_too(fresh: Node) -> None:
    done = play(fresh, {"node_baseline_ssh": {"listen_addresses": [ADDRESS, SECOND]}}, themes=("ssh",))
    assert done.good, done.tail
    assert sorted(listening(fresh)) == [f"{ADDRESS}:22 systemd", f"[{SECOND}]:22 systemd"]


def test_a_mistake_in_what_systemd_listens_on_is_undone(fresh: Node) -> None:
    """The node puts back what systemd has, not only the server's own files."""
    assert not play(fresh, {"node_baseline_ssh": {"listen_addresses": [ELSEWHERE]}, **SOON}, themes=("ssh",)).good
    fresh.await_ssh()
    assert sorted(listening(fresh)) == [f"{ADDRESS}:22 systemd", f"[{SECOND}]:22 systemd"]


def test_the_server_listens_by_itself_again(fresh: Node) -> None:
    done = play(fresh, themes=("ssh",))
    assert done.good, done.tail
    assert sorted(listening(fresh)) == ["0.0.0.0:22", "[::]:22"]
    fresh.reboot()
    assert sorted(listening(fresh)) == ["0.0.0.0:22", "[::]:22"]


def test_a_mistake_by_which_systemd_listens_is_undone(fresh: Node) -> None:
    """The server that listened by itself does so again, also after a boot."""
    assert not play(fresh, {"node_baseline_ssh": {"listen_addresses": [ELSEWHERE]}, **SOON}, themes=("ssh",)).good
    fresh.await_ssh()
    assert sorted(listening(fresh)) == ["0.0.0.0:22", "[::]:22"]
    fresh.reboot()
    assert sorted(listening(fresh)) == ["0.0.0.0:22", "[::]:22"]


def test_ssh_moves_to_another_port_in_two_runs(fresh: Node) -> None:
    """In one, the play could not sign in again."""
    both: dict[str, object] = {"node_baseline_firewall": {"openings": {"ssh": {"ports": [22, 2222]}}}}
    there: dict[str, object] = {**both, "ansible_port": 2222}
    at_once = play(fresh, {"node_baseline_ssh": {"port": 2222}, **both}, themes=("ssh", "firewall"))
    assert (at_once.good, at_once.changes) == (False, [])
    assert "Move it in two runs" in at_once.output, at_once.tail
    beside = play(fresh, {"node_baseline_ssh": {"more_ports": [2222]}, **both}, themes=("ssh", "firewall"))
    assert beside.good, beside.tail
    moved = play(fresh, {"node_baseline_ssh": {"port": 2222}, **there}, themes=("ssh", "firewall"))
    assert moved.good, moved.tail
    assert listening(fresh) == []
    back = play(fresh, {"node_baseline_ssh": {"port": 2222, "more_ports": [22]}, **there}, themes=("ssh", "firewall"))
    assert back.good, back.tail
    done = play(fresh, both, themes=("ssh", "firewall"))
    assert done.good, done.tail
    assert sorted(listening(fresh)) == ["0.0.0.0:22", "[::]:22"]


def test_packages_and_security_updates_come_from_the_mirror_alone(fresh: Node) -> None:
    done = play(fresh, {"node_baseline_updates": {"mirror": f"{SITE}/debian"}}, themes=("updates",))
    assert done.good, done.tail
    fetched = fresh.inside("apt-get", "update", "--print-uris")
    suites = ("debian/dists/trixie", "debian/dists/trixie-updates", "debian-security/dists/trixie-security")
    assert set(re.findall(r"^'(.+/dists/[^/]+)/", fetched, re.MULTILINE)) == {f"{SITE}/{suite}" for suite in suites}

"""What only some sites set: systemd listens for SSH, and packages come from a mirror of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from foundation.process import CommandFailed, run
from tests.nodes.node import ADDRESS, Node
from tests.nodes.play import play

SOCKET = {"node_baseline_ssh": {"socket_activation": True, "listen_addresses": [ADDRESS]}}
SITE = "http://mirror.example.org"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


def listening(one: Node) -> list[str]:
    """Where somebody listens for SSH, with `systemd` behind it if that does."""
    rows = (line.split() for line in one.inside("ss", "-Hltnp", "sport = :22").splitlines())
    return [f"{address} systemd" if '"systemd"' in users else address for *_, address, _, users in rows]


def test_systemd_listens_for_ssh_where_the_server_would_and_lets_people_in(fresh: Node) -> None:
    """The server's own Port and ListenAddress count for nothing then: a role that sets only these leaves the door elsewhere."""
    done = play(fresh, SOCKET, themes=("ssh",))
    assert done.good, done.tail
    assert listening(fresh) == [f"{ADDRESS}:22 systemd"]
    fresh.reboot()
    assert listening(fresh) == [f"{ADDRESS}:22 systemd"]
    assert fresh.ssh("sudo", "-n", "id", "-un").strip() == "root"
    again = play(fresh, SOCKET, themes=("ssh",))
    assert (again.good, again.changes) == (True, []), again.tail


def test_a_server_that_systemd_started_takes_new_settings(fresh: Node) -> None:
    """Written is not in force: without a restart the server that runs already passes nothing on."""
    through: list[str | Path] = ["ssh", "-F", fresh.ssh_config, "-W", f"{ADDRESS}:22", "node"]
    with pytest.raises(CommandFailed):
        run(through, stdin="", timeout=60)
    done = play(fresh, {**SOCKET, "node_baseline_profile": "bastion"}, themes=("ssh",))
    assert done.good, done.tail
    assert run(through, stdin="", timeout=60).startswith("SSH-2.0")
    assert listening(fresh) == [f"{ADDRESS}:22 systemd"]


def test_systemd_listens_on_all_addresses_when_none_is_named(fresh: Node) -> None:
    """By itself the one for IPv6 takes the other's port too, and then neither listens."""
    done = play(fresh, {"node_baseline_ssh": {"socket_activation": True}}, themes=("ssh",))
    assert done.good, done.tail
    assert sorted(listening(fresh)) == ["0.0.0.0:22 systemd", "[::]:22 systemd"]


def test_packages_and_security_updates_come_from_the_mirror_alone(fresh: Node) -> None:
    done = play(fresh, {"node_baseline_updates": {"mirror": f"{SITE}/debian"}}, themes=("updates",))
    assert done.good, done.tail
    fetched = fresh.inside("apt-get", "update", "--print-uris")
    suites = ("debian/dists/trixie", "debian/dists/trixie-updates", "debian-security/dists/trixie-security")
    assert set(re.findall(r"^'(.+/dists/[^/]+)/", fetched, re.MULTILINE)) == {f"{SITE}/{suite}" for suite in suites}

"""A test node is what it says: sealed, entered with pinned keys only, itself again after a reboot, gone without a trace."""

from __future__ import annotations

import pytest

from foundation.process import CommandFailed
from tests.nodes.node import BRIDGE, Node

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


def boot(one: Node) -> str:
    return one.inside("cat", "/proc/sys/kernel/random/boot_id")


def test_an_administrator_gets_in_and_may_become_root(fresh: Node) -> None:
    assert fresh.ssh("id", "-un").strip() == "admin"
    assert fresh.ssh("sudo", "-n", "id", "-un").strip() == "root"


def test_a_node_with_another_key_is_refused(fresh: Node) -> None:
    pinned = (fresh.home / "known_hosts").read_text()
    other = (fresh.home / "second.pub").read_text().split()[1]
    (fresh.home / "known_hosts").write_text(f"node ssh-ed25519 {other}\n")
    try:
        with pytest.raises(CommandFailed, match="Host key verification failed"):
            fresh.ssh("true")
    finally:
        (fresh.home / "known_hosts").write_text(pinned)


def test_there_is_no_way_out(fresh: Node) -> None:
    assert "default" not in fresh.inside("ip", "route")
    assert fresh.inside("ip", "-4", "route").split()[0] == "10.231.0.0/24"
    assert BRIDGE not in fresh.inside("ip", "link")


def test_packages_come_from_the_local_repository(fresh: Node) -> None:
    fresh.inside("sh", "-c", "apt-get -q update && apt-get -q -y install libpam-pwquality")
    assert "ok installed" in fresh.inside("dpkg-query", "-W", "-f", "${Status}", "libpam-pwquality")


def test_a_reboot_loses_what_was_only_in_force(fresh: Node) -> None:
    before = boot(fresh)
    fresh.inside("sysctl", "-q", "-w", "net.ipv4.conf.all.log_martians=1")
    fresh.inside("nft", "add", "table", "inet", "only_in_force")
    fresh.reboot()
    assert boot(fresh) != before
    assert fresh.inside("sysctl", "-n", "net.ipv4.conf.all.log_martians").strip() == "0"
    assert "only_in_force" not in fresh.inside("nft", "list", "tables")

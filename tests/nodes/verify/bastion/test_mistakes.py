"""A mistake that no look beforehand finds, on the way in for all others: the node undoes it by itself."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.process import CommandFailed
from landing_zone.effective import in_force
from tests.nodes.node import Node
from tests.nodes.play import play


def undone(one: Node, mistake: Mapping[str, object], *themes: str) -> None:
    """Run some themes with a mistake, and wait until the node itself has put its former settings back."""
    restored = "/run/node-baseline/restored"
    one.inside("rm", "--force", restored)
    given = {"node_baseline_profile": "bastion", "node_baseline_lockout": {"rollback_seconds": 20}, **mistake}
    made = play(one, given, themes=themes)
    assert not made.good
    put_back = f"for i in $(seq 60); do [ -e {restored} ] && exit 0; sleep 1; done; exit 1"
    try:
        one.inside("sh", "-c", put_back)
    except CommandFailed as problem:
        raise AssertionError(made.tail) from problem


def test_former_settings_come_back_when_the_new_ones_let_nobody_in(one: Node) -> None:
    openings = {"ssh": {"ports": [22], "sources": ["192.0.2.1"]}}  # where nobody comes from
    mistake = {"node_baseline_ssh": {"max_auth_tries": 2}, "node_baseline_firewall": {"openings": openings}}
    undone(one, mistake, "ssh", "firewall")
    one.await_ssh()
    assert one.ssh("sudo", "-n", "id", "-un").strip() == "root"
    assert in_force(one.asked.check_output("sshd -T"))["maxauthtries"] == "4"
    assert "192.0.2.1" not in one.asked.check_output("nft list ruleset")


def test_root_comes_back_when_it_was_taken_from_the_very_play(one: Node) -> None:
    """Sudo asks for a password from the first file on: a timer that is started later is never started."""
    mistake = {
        "ansible_user": "second",
        "ansible_ssh_private_key_file": str(one.home / "second"),
        "node_baseline_sudo": {"passwordless": []},
    }
    undone(one, mistake, "sudo")
    assert "NOPASSWD" in one.inside("cat", "/etc/sudoers.d/00-node-baseline")
    assert one.ssh("sudo", "-n", "id", "-un", user="second", key="second").strip() == "root"

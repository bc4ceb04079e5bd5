"""Who is refused before anything is changed: nobody shall be shut out, and nothing that runs shall go."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.roles.rendering import node, refusal, render, task

KEY = "/etc/ssh/authorized_keys/lan"
SECOND = "An administrator other than the one used can still sign in and become root"
AUTHORITY = ["ssh-ed25519 AAAA"]


def known(*sudoers: str, shadow: str = "!", **given: Any) -> dict[str, Any]:
    """A node with `admin`, who runs the play, and `lan`, who has a key. shadow: lan's password. sudoers: what sudo asks no password for."""
    facts: dict[str, Any] = {
        "getent_group": {"sudo": ["x", "27", "admin,lan"], "ops": ["x", "1003", "lan"]},
        "getent_passwd": {name: ["x", "1001", "1001", "", f"/home/{name}", "/bin/bash"] for name in ("admin", "lan")},
        "getent_shadow": {"admin": ["!", "20000", "0", "99999"], "lan": [shadow, "20000", "0", "99999"]},
        "env": {"SUDO_USER": "admin"},
    }
    asked: dict[str, Any] = {"__node_baseline_keys": {"stdout_lines": [KEY]}, "__node_baseline_unasked": {"stdout_lines": sudoers}}
    variables = node(ansible_facts=facts, **asked, **given)
    for name in ("Who may become root here", "Which of them may sign in afterwards"):
        one = task("lockout", name)
        inside = {**variables, **one.get("vars", {})}
        variables |= {key: render(value, inside) for key, value in one["ansible.builtin.set_fact"].items()}
    return variables


def test_a_second_administrator_who_could_not_become_root_is_refused_with_a_cure() -> None:
    said = refusal("lockout", SECOND, known())
    assert said.startswith("Only admin could sign in and become root afterwards")
    assert "lan could sign in, but sudo asks for a password and there is none" in said
    assert "node_baseline_sudo.passwordless" in said


@pytest.mark.parametrize(
    "variables",
    [
        known(shadow="$y$j9T$salt$hash"),
        known(node_baseline_sudo={"passwordless": ["lan"]}),
        known(node_baseline_sudo={"passwordless": ["%ops"]}),
        known("/etc/sudoers.d/90-cloud-init-users:lan ALL=(ALL) NOPASSWD:ALL"),
        known("/etc/sudoers:%sudo\tALL=(ALL:ALL) NOPASSWD: ALL"),
        known("/etc/sudoers.d/00-node-baseline:lan ALL=(ALL:ALL) NOPASSWD: ALL", node_baseline_sudo_enabled=False),
        known(node_baseline_accounts={"administrators": {"eve": {"authorized_keys": AUTHORITY, "password_hash": "$6$hash"}}}),
        known(node_baseline_ssh={"user_ca_keys": AUTHORITY}),
        known(node_baseline_ssh={"user_ca_keys": AUTHORITY, "principals": {"admin": ["us"]}}),
    ],
)
def test_whoever_can_sign_in_and_become_root_is_enough(variables: dict[str, Any]) -> None:
    assert refusal("lockout", SECOND, variables) == ""


@pytest.mark.parametrize(
    "variables",
    [
        # What the role writes anew.
        known("/etc/sudoers.d/00-node-baseline:lan ALL=(ALL:ALL) NOPASSWD: ALL"),
        known("/etc/sudoers:backup ALL=(ALL:ALL) NOPASSWD: ALL"),
        # It is given to an account that is made; one that is there keeps its own.
        known(node_baseline_accounts={"administrators": {"lan": {"authorized_keys": AUTHORITY, "password_hash": "$6$hash"}}}),
        known(node_baseline_accounts={"administrators": {"eve": {"authorized_keys": [], "password_hash": "$6$hash"}}}),
        known(
            node_baseline_accounts_enabled=False,
            node_baseline_accounts={"administrators": {"eve": {"authorized_keys": AUTHORITY, "password_hash": "$6$hash"}}},
        ),
        known(node_baseline_ssh={"user_ca_keys": AUTHORITY, "principals": {"lan": ["us"]}}),
        known(shadow="$6$hash", node_baseline_ssh={"allow_groups": ["ssh-login"]}),
    ],
)
def test_whoever_lacks_one_of_both_is_not(variables: dict[str, Any]) -> None:
    assert refusal("lockout", SECOND, variables).startswith("Only admin could sign in and become root afterwards")


def listening(*ports: str, **given: Any) -> dict[str, Any]:
    lines = [f"tcp   LISTEN 0      128          0.0.0.0:{port}      0.0.0.0:*   " for port in ports]
    return node(__node_baseline_listeners={"stdout_lines": [*lines, "tcp   LISTEN 0  128  127.0.0.1:2222  0.0.0.0:*"]}, **given)


PORT = "SSH goes on listening where it can be reached now"
OPEN = "The packet filter lets SSH through"
BOTH = {"openings": {"ssh": {"ports": [22, 2222]}}}


def test_ssh_moves_to_another_port_in_two_runs() -> None:
    """In one, the play could not sign in again, and the node would put its former settings back."""
    at_once = listening("22", node_baseline_ssh={"port": 2222}, node_baseline_firewall=BOTH)
    assert "Move it in two runs: one with the new port in node_baseline_ssh.more_ports" in refusal("lockout", PORT, at_once)
    first = listening("22", node_baseline_ssh={"more_ports": [2222]}, node_baseline_firewall=BOTH)
    second = listening("22", "2222", node_baseline_ssh={"port": 2222}, node_baseline_firewall=BOTH)
    for variables in (first, second):
        assert [refusal("lockout", name, variables) for name in (PORT, OPEN)] == ["", ""]


def test_every_port_of_ssh_has_to_be_open_by_whatever_opening() -> None:
    closed = listening("22", node_baseline_ssh={"more_ports": [2222]})
    assert "no opening for port 2222 of SSH" in refusal("lockout", OPEN, closed)
    range_of_another = {"openings": {"ssh": {"ports": []}, "ours": {"ports": ["20-30"]}}}
    assert refusal("lockout", OPEN, listening("22", node_baseline_firewall=range_of_another)) == ""


def test_what_listens_is_open_by_number_or_range_or_closed_by_name() -> None:
    cut = "No service is cut off unawares"
    assert "what listens on tcp/80." in refusal("lockout", cut, listening("22", "80"))
    ranged = {"openings": {"web": {"ports": ["79-81"]}}}
    assert refusal("lockout", cut, listening("22", "80", node_baseline_firewall=ranged)) == ""
    assert refusal("lockout", cut, listening("22", "80", node_baseline_firewall={"closed": ["tcp/80"]})) == ""


SIMULATED = """Reading package lists...
Purg nfs-common [1:2.8.3-1]
Purg libfoo:i386 [1]
Purg rpcbind [1.2.7-1]
"""


def test_what_needs_a_package_does_not_go_with_it_unawares() -> None:
    """A node that mounts NFS needs rpcbind's package, but not that it runs."""
    name = "Nothing is removed that is not named"
    said = refusal("lockout", name, node(__node_baseline_going={"stdout_lines": SIMULATED.splitlines()}))
    assert "would go too, with their settings: libfoo, nfs-common." in said
    assert refusal("lockout", name, node(__node_baseline_going={"skipped": True})) == ""
    asked = task("lockout", "What goes with those that no node needs")
    there = {"stdout_lines": ["installed rpcbind", "config-files squid", "installed bash"]}
    variables = node(__node_baseline_there=there) | asked["vars"]
    assert render(asked["ansible.builtin.command"]["argv"], variables) == ["apt-get", "--simulate", "purge", "rpcbind"]


@pytest.mark.parametrize(
    ("said", "halted"),
    [("Avail\n   40\n  9000\n", True), ("Avail\n  9000\n   40\n", False), ("Avail\n   40\n", True), ("Avail\n  76\n", False), ("", False)],
)
def test_a_node_without_room_for_audit_is_not_halted_unawares(said: str, halted: bool) -> None:
    """The first line is of its own folder, where that is there already."""
    variables = node(__node_baseline_room={"stdout_lines": said.splitlines()})
    message = refusal("lockout", "The node is not halted for lack of room", variables)
    assert ("40 MiB are left" in message) is halted

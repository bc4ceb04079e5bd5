"""A hardened node: what each run said, who gets in, what is in force, and a mistake that it undoes by itself."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from foundation.places import CHECKOUT
from foundation.process import CommandFailed, run
from landing_zone.effective import check, in_force
from landing_zone.proof.results import Verdict
from tests.nodes.hardened import OPEN, Hardened
from tests.nodes.node import ADDRESS, OUTSIDE, Node
from tests.nodes.play import play
from tests.support.listening import ports

pytestmark = pytest.mark.timeout(1800)

HOSTS_KERNEL = {"kernel parameters (1.5)", "audit runs by its rules (6.2)", "AppArmor profiles are in enforce (1.3)"}
PASSWORD = "Right-Horse-9-Battery"

# -- runs -------------------------------------------------------------------------------------------------------


def test_what_listens_is_not_cut_off_unawares(hardened: Hardened) -> None:
    assert not hardened.refused.good
    assert "tcp/8080" in hardened.refused.output
    assert hardened.refused.changes == []


def test_a_node_that_only_one_person_could_enter_is_left_alone(hardened: Hardened) -> None:
    assert not hardened.alone.good
    assert "Only admin could sign in and become root afterwards" in hardened.alone.output, hardened.alone.tail
    assert hardened.alone.changes == []


def test_check_mode_goes_through_and_changes_nothing(hardened: Hardened) -> None:
    assert hardened.tried.good, hardened.tried.tail
    assert hardened.tried_again.good, hardened.tried_again.tail
    assert hardened.touched == ()


def test_a_second_run_changes_nothing(hardened: Hardened) -> None:
    assert hardened.second.good, hardened.second.tail
    assert hardened.second.changes == []
    assert hardened.tried_again.changes == []


def test_package_lists_that_are_of_no_use_are_fetched_anew(hardened: Hardened) -> None:
    assert "Install them with new package lists" in hardened.first.output
    assert hardened.node.asked.package("auditd").is_installed


def test_time_it_took(hardened: Hardened, record_property: Callable[[str, object], None]) -> None:
    """A figure, no judgement: the machine may be busy."""
    record_property("hardening a node", f"first run {hardened.first.seconds:.0f} s, second run {hardened.second.seconds:.0f} s")


# -- who gets in ------------------------------------------------------------------------------------------------


def test_administrators_get_in_and_may_become_root(hardened: Hardened) -> None:
    for user, key in (("admin", "admin"), ("second", "second")):
        assert hardened.node.ssh("sudo", "-n", "id", "-un", user=user, key=key).strip() == "root"


def test_root_is_refused(hardened: Hardened) -> None:
    with pytest.raises(CommandFailed, match="Permission denied"):
        hardened.node.ssh("true", user="root")


def test_a_password_is_not_asked_for(hardened: Hardened) -> None:
    with pytest.raises(CommandFailed, match=r"Permission denied \(publickey\)"):
        hardened.node.ssh("true", options=("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"))


def test_a_key_of_nobody_is_refused(hardened: Hardened) -> None:
    with pytest.raises(CommandFailed, match="Permission denied"):
        hardened.node.ssh("true", user="second")


def test_sshd_does_what_the_file_says(hardened: Hardened) -> None:
    effective = in_force(hardened.node.asked.check_output("sshd -T"))
    expected = {
        "permitrootlogin": "no", "passwordauthentication": "no", "kbdinteractiveauthentication": "no", "permitemptypasswords": "no",
        "maxauthtries": "4", "disableforwarding": "yes", "x11forwarding": "no", "logingracetime": "60", "allowgroups": "sudo",
        "clientaliveinterval": "300", "usepam": "yes",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert not [word for word in effective["ciphers"].split(",") if "cbc" in word]


def test_an_account_is_locked_after_four_wrong_passwords_and_opened_again(hardened: Hardened) -> None:
    """Four is the role's number; by faillock's own it would be three."""
    one = hardened.node
    one.inside("sh", "-c", "id carol >/dev/null 2>&1 || useradd --create-home --groups sudo carol")
    one.inside("chpasswd", stdin=f"carol:{PASSWORD}\n")
    # By itself sudo asks three times, and counts the end of what it reads as a wrong password.
    once = one.root / "etc/sudoers.d/carol"
    once.write_text("Defaults:carol passwd_tries=1\n")
    once.chmod(0o440)

    def becomes_root(password: str) -> bool:
        try:
            one.inside("runuser", "-u", "carol", "--", "sudo", "-S", "-k", "-p", "", "true", stdin=f"{password}\n")
        except CommandFailed:
            return False
        return True

    def fails(times: int) -> None:
        """Wrong passwords side by side: each takes its two seconds."""
        with ThreadPoolExecutor() as pool:
            assert not any(pool.map(becomes_root, ["wrong"] * times))
        counted = [line for line in one.inside("faillock", "--user", "carol").splitlines() if line.endswith(" V")]
        assert len(counted) == times

    try:
        fails(3)
        assert becomes_root(PASSWORD), "the account is locked too early"
        fails(4)
        assert not becomes_root(PASSWORD), "the account is not locked"
        one.inside("faillock", "--user", "carol", "--reset")
        assert becomes_root(PASSWORD)
    finally:
        once.unlink()


def test_su_is_for_its_group_alone(hardened: Hardened) -> None:
    one = hardened.node
    one.inside("sh", "-c", "id dave >/dev/null 2>&1 || useradd --create-home dave")
    one.inside("chpasswd", stdin=f"dave:{PASSWORD}\n")
    becomes_dave = ("runuser", "-u", "admin", "--", "su", "dave", "-c", "id -un")
    with pytest.raises(CommandFailed, match="Permission denied"):
        one.inside(*becomes_dave, stdin=f"{PASSWORD}\n")
    one.inside("usermod", "--append", "--groups", "sugroup", "admin")
    try:
        assert "dave" in one.inside(*becomes_dave, stdin=f"{PASSWORD}\n")
    finally:
        one.inside("gpasswd", "--delete", "admin", "sugroup")


# -- what is in force -------------------------------------------------------------------------------------------


def test_what_it_served_is_served(hardened: Hardened) -> None:
    page = run(["nsenter", f"--net=/run/netns/{hardened.node.netns}", "curl", "-sS", "--max-time", "10", f"http://{ADDRESS}:8080/"])
    assert "Directory listing" in page


def test_what_live_nodes_are_asked_is_in_force(hardened: Hardened) -> None:
    """Only what belongs to the kernel of a container's host could not be evaluated; it is never called passed."""
    results = check("", "node", hardened.node.asked)
    others = {each.check: each.seen for each in results if each.verdict is not Verdict.PASS}
    assert {each.verdict for each in results} <= {Verdict.PASS, Verdict.UNKNOWN}, others
    assert set(others) == {f"node: {what}" for what in HOSTS_KERNEL}, others
    assert "Authorized users" not in str(others), "the banner of the SSH server is taken for an answer"


def test_only_what_is_meant_to_listen_listens(hardened: Hardened) -> None:
    assert ports(hardened.node.asked) - {5355} == {22, 8080}


def test_the_packet_filter_drops_what_is_not_named(hardened: Hardened) -> None:
    assert "policy drop" in hardened.node.asked.check_output("nft list chain inet node_baseline input")
    hardened.node.inside("systemd-run", "--quiet", "--collect", "--unit=other", "python3", "-m", "http.server", "8081")
    hardened.node.inside("sh", "-c", "for i in $(seq 50); do ss -lnt | grep -q :8081 && exit 0; sleep 0.1; done; exit 1")
    with pytest.raises(CommandFailed):
        run(["nsenter", f"--net=/run/netns/{hardened.node.netns}", "nc", "-z", "-w", "2", ADDRESS, "8081"])
    hardened.node.inside("systemctl", "stop", "other.service")


def test_kernel_parameters_of_the_network_are_in_force(hardened: Hardened) -> None:
    effective = in_force(hardened.node.asked.check_output("sysctl -a --pattern %s", "^net[.]ipv[46]"))
    expected = {
        "net.ipv4.ip_forward": "0", "net.ipv4.conf.all.accept_redirects": "0", "net.ipv4.conf.default.accept_redirects": "0",
        "net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.default.rp_filter": "1", "net.ipv4.conf.all.log_martians": "1",
        "net.ipv4.tcp_syncookies": "1", "net.ipv6.conf.all.accept_ra": "0", "net.ipv6.conf.default.accept_redirects": "0",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert effective["net.ipv4.conf.host0.rp_filter"] in {"0", "1"}, "a loose filter of an interface wins over the strict one of all"


def test_there_is_one_clock(hardened: Hardened) -> None:
    """In a container timesyncd never runs, so that it is not there is what counts."""
    asked = hardened.node.asked
    assert asked.service("chrony").is_running
    assert [name for name in ("chrony", "systemd-timesyncd") if asked.package(name).is_installed] == ["chrony"]


def test_a_service_is_told_from_one_whose_name_contains_its_own(hardened: Hardened) -> None:
    """named is not wanted, systemd-hostnamed is."""
    assert "Static hostname: hard" in hardened.node.inside("hostnamectl", "status")


def test_logs_reach_the_collector_over_tls_also_those_from_before_it_was_there(hardened: Hardened) -> None:
    one = hardened.node
    one.inside("logger", "written while nobody listened")
    server = [
        "nsenter", f"--net=/run/netns/{one.netns}", sys.executable, "-m", "tests.nodes.listener", OUTSIDE, "6514",
        str(one.home / "collector.pem"), str(one.home / "collector.key"),
    ]  # fmt: skip
    with subprocess.Popen(server, stdout=subprocess.PIPE, cwd=CHECKOUT) as listening:
        try:
            assert listening.stdout
            one.inside("systemctl", "restart", "rsyslog")
            wait_for(listening.stdout.fileno(), b"written while nobody listened", 60)
        finally:
            listening.kill()


def test_the_journal_reaches_its_collector(hardened: Hardened) -> None:
    hardened.node.inside("logger", "a line for the collector of journals")
    found = "journalctl --file=/var/log/journal/remote/node.journal | grep -q 'for the collector of j'"
    look = f"for i in $(seq 60); do {found} && exit 0; sleep 0.5; done; exit 1"
    hardened.node.inside("sh", "-c", look)


def wait_for(stream: int, words: bytes, seconds: float) -> None:
    """Read until the words have come. Raises AssertionError when they do not."""
    seen, deadline = b"", time.monotonic() + seconds
    while words not in seen:
        assert time.monotonic() < deadline, seen.decode(errors="replace")[-2000:]
        if select.select([stream], [], [], 1)[0]:
            seen += os.read(stream, 65536)


# -- a mistake that no look beforehand finds ----------------------------------------------------------------------


def undone(one: Node, mistake: Mapping[str, object], *themes: str) -> None:
    """Run some themes with a mistake, and wait until the node itself has put its former settings back."""
    restored = "/run/node-baseline/restored"
    one.inside("rm", "--force", restored)
    given = {**OPEN, "node_baseline_lockout": {"rollback_seconds": 20}, **mistake}
    made = play(one, given, themes=themes)
    assert not made.good
    put_back = f"for i in $(seq 60); do [ -e {restored} ] && exit 0; sleep 1; done; exit 1"
    try:
        one.inside("sh", "-c", put_back)
    except CommandFailed as problem:
        raise AssertionError(made.tail) from problem


def test_former_settings_come_back_when_the_new_ones_let_nobody_in(hardened: Hardened) -> None:
    one = hardened.node
    openings = {"service": {"ports": [8080]}, "ssh": {"ports": [22, 2222]}}
    mistake = {"node_baseline_ssh": {"port": 2222}, "node_baseline_firewall": {"openings": openings}}  # where nobody looks for it
    undone(one, mistake, "ssh", "firewall")
    one.await_ssh()
    assert one.ssh("sudo", "-n", "id", "-un").strip() == "root"
    assert in_force(one.asked.check_output("sshd -T"))["port"] == "22"
    assert "2222" not in one.asked.check_output("nft list ruleset")


def test_root_comes_back_when_it_was_taken_from_the_very_play(hardened: Hardened) -> None:
    """Sudo asks for a password from the first file on: a timer that is started later is never started."""
    one = hardened.node
    mistake = {
        "ansible_user": "second",
        "ansible_ssh_private_key_file": str(one.home / "second"),
        "node_baseline_sudo": {"passwordless": []},
    }
    undone(one, mistake, "sudo")
    assert "NOPASSWD" in one.inside("cat", "/etc/sudoers.d/00-node-baseline")
    assert one.ssh("sudo", "-n", "id", "-un", user="second", key="second").strip() == "root"

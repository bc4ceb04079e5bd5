"""A hardened node after a reboot: who gets in, what is in force, and what one more look would change."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from foundation.places import CHECKOUT
from foundation.process import CommandFailed
from landing_zone.effective import check, in_force
from landing_zone.proof.results import Verdict
from tests.nodes.node import ADDRESS, OUTSIDE, Node
from tests.nodes.play import play
from tests.nodes.served import OPEN, files
from tests.nodes.verify.ask import outside, parameters, passes_on, through
from tests.support.listening import ports

HOSTS_KERNEL = {"kernel parameters (1.5)", "audit runs by its rules (6.2)", "AppArmor profiles are in enforce (1.3)"}
PASSWORD = "Right-Horse-9-Battery"

# -- who gets in ------------------------------------------------------------------------------------------------


def test_administrators_get_in_and_may_become_root(one: Node) -> None:
    for user, key in (("admin", "admin"), ("second", "second")):
        assert one.ssh("sudo", "-n", "id", "-un", user=user, key=key).strip() == "root"


def test_root_is_refused(one: Node) -> None:
    with pytest.raises(CommandFailed, match="Permission denied"):
        one.ssh("true", user="root")


def test_a_password_is_not_asked_for(one: Node) -> None:
    with pytest.raises(CommandFailed, match=r"Permission denied \(publickey\)"):
        one.ssh("true", options=("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive"))


def test_a_key_of_nobody_is_refused(one: Node) -> None:
    with pytest.raises(CommandFailed, match="Permission denied"):
        one.ssh("true", user="second")


def test_sshd_does_what_the_file_says(one: Node) -> None:
    effective = in_force(one.asked.check_output("sshd -T"))
    expected = {
        "permitrootlogin": "no", "passwordauthentication": "no", "kbdinteractiveauthentication": "no", "permitemptypasswords": "no",
        "maxauthtries": "4", "disableforwarding": "yes", "x11forwarding": "no", "logingracetime": "60", "allowgroups": "sudo",
        "clientaliveinterval": "300", "usepam": "yes",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert not [word for word in effective["ciphers"].split(",") if "cbc" in word]


def test_an_account_is_locked_after_four_wrong_passwords_and_opened_again(one: Node) -> None:
    """Four is the role's number; by faillock's own it would be three."""
    one.inside("useradd", "--create-home", "--groups", "sudo", "carol")
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
        one.inside("userdel", "--force", "--remove", "carol")


def test_su_is_for_its_group_alone(one: Node) -> None:
    one.inside("useradd", "--create-home", "dave")
    one.inside("chpasswd", stdin=f"dave:{PASSWORD}\n")
    becomes_dave = ("runuser", "-u", "admin", "--", "su", "dave", "-c", "id -un")
    try:
        with pytest.raises(CommandFailed, match="Permission denied"):
            one.inside(*becomes_dave, stdin=f"{PASSWORD}\n")
        one.inside("usermod", "--append", "--groups", "sugroup", "admin")
        assert "dave" in one.inside(*becomes_dave, stdin=f"{PASSWORD}\n")
    finally:
        one.inside("sh", "-c", "gpasswd --delete admin sugroup || true")
        one.inside("userdel", "--force", "--remove", "dave")


# -- what is in force -------------------------------------------------------------------------------------------


def test_what_it_served_is_served(one: Node) -> None:
    fetch = f"from urllib.request import urlopen; print(urlopen('http://{ADDRESS}:8080/', timeout=10).read().decode())"
    assert "Directory listing" in outside(one, sys.executable, "-c", fetch)


def test_what_live_nodes_are_asked_is_in_force(one: Node) -> None:
    """Only what belongs to the kernel of a container's host could not be evaluated; it is never called passed."""
    results = check("", "node", one.asked)
    others = {each.check: each.seen for each in results if each.verdict is not Verdict.PASS}
    assert {each.verdict for each in results} <= {Verdict.PASS, Verdict.UNKNOWN}, others
    assert set(others) == {f"node: {what}" for what in HOSTS_KERNEL}, others
    assert "Authorized users" not in str(others), "the banner of the SSH server is taken for an answer"


def test_only_what_is_meant_to_listen_listens(one: Node) -> None:
    assert ports(one.asked) - {5355} == {22, 8080}


def test_the_packet_filter_drops_what_is_not_named(one: Node) -> None:
    assert "policy drop" in one.asked.check_output("nft list chain inet node_baseline input")
    one.inside("systemd-run", "--quiet", "--collect", "--unit=other", "python3", "-m", "http.server", "8081")
    one.inside("sh", "-c", "for i in $(seq 50); do ss -lnt | grep -q :8081 && exit 0; sleep 0.1; done; exit 1")
    with pytest.raises(CommandFailed):
        outside(one, "nc", "-z", "-w", "2", ADDRESS, "8081")
    one.inside("systemctl", "stop", "other.service")


def test_kernel_parameters_of_the_network_are_in_force(one: Node) -> None:
    effective = parameters(one)
    expected = {
        "net.ipv4.ip_forward": "0", "net.ipv4.conf.all.accept_redirects": "0", "net.ipv4.conf.default.accept_redirects": "0",
        "net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.default.rp_filter": "1", "net.ipv4.conf.all.log_martians": "1",
        "net.ipv4.tcp_syncookies": "1", "net.ipv6.conf.all.accept_ra": "0", "net.ipv6.conf.default.accept_redirects": "0",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert effective["net.ipv4.conf.host0.rp_filter"] in {"0", "1"}, "a loose filter of an interface wins over the strict one of all"


def test_there_is_one_clock(one: Node) -> None:
    """In a container timesyncd never runs, so that it is not there is what counts."""
    asked = one.asked
    assert asked.service("chrony").is_running
    assert [name for name in ("chrony", "systemd-timesyncd") if asked.package(name).is_installed] == ["chrony"]


def test_a_service_is_told_from_one_whose_name_contains_its_own(one: Node) -> None:
    """named is not wanted, systemd-hostnamed is."""
    assert "Static hostname: base" in one.inside("hostnamectl", "status")


def test_logs_reach_the_collector_over_tls_also_those_from_before_it_was_there(one: Node) -> None:
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


def test_the_journal_reaches_its_collector(one: Node) -> None:
    one.inside("logger", "a line for the collector of journals")
    found = "journalctl --file=/var/log/journal/remote/node.journal | grep -q 'for the collector of j'"
    look = f"for i in $(seq 60); do {found} && exit 0; sleep 0.5; done; exit 1"
    one.inside("sh", "-c", look)


def test_a_file_that_somebody_added_is_told_in_the_system_log(one: Node) -> None:
    """By AIDE's own settings and rules; with a record of a few files, since that of all takes minutes."""
    look = ["aide", "--config=/etc/aide/aide.conf", "--limit=^/etc/cron", "--before=database_in=file:/run/few.db"]
    one.inside(*look, "--before=database_out=file:/run/few.db", "--init")
    try:
        one.inside(*look, "--check")
        one.inside("touch", "/etc/cron.d/strange")
        with pytest.raises(CommandFailed):
            one.inside(*look, "--check")
    finally:
        one.inside("rm", "-f", "/etc/cron.d/strange", "/run/few.db")
    assert "/etc/cron.d/strange" in one.inside("journalctl", "--identifier=aide", "--since=-2min")


def wait_for(stream: int, words: bytes, seconds: float) -> None:
    """Read until the words have come. Raises AssertionError when they do not."""
    seen, deadline = b"", time.monotonic() + seconds
    while words not in seen:
        assert time.monotonic() < deadline, seen.decode(errors="replace")[-2000:]
        if select.select([stream], [], [], 1)[0]:
            seen += os.read(stream, 65536)


def test_a_node_of_base_is_no_way_to_another(one: Node) -> None:
    assert not passes_on(one)
    with pytest.raises(CommandFailed):
        through(one)


# -- one more look -----------------------------------------------------------------------------------------------


def test_check_mode_says_that_nothing_would_change_and_changes_nothing(one: Node) -> None:
    before = files(one)
    tried = play(one, OPEN, check=True)
    assert tried.good, tried.tail
    assert tried.changes == []
    assert files(one) == before


def test_package_lists_that_are_of_no_use_were_fetched_anew(one: Node) -> None:
    """Without them nothing could have been installed: they were there, and empty."""
    assert one.asked.package("auditd").is_installed

"""One node's life: what listens is refused to be cut off, check mode, hardened, hardened again, rebooted; then what is in force.

The node starts as the ones that other roles break on: a service of its own, another clock, package lists that are of no
use, an account that may become root only by what cloud-init wrote.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from foundation.process import CommandFailed, run
from foundation.progress import Progress
from tests.nodes.node import ADDRESS, OUTSIDE, Node, down, find, up
from tests.nodes.play import COLLECTOR, Run, collector, play
from tests.nodes.scan import GOALS, scan

pytestmark = pytest.mark.timeout(1800)

SERVICE = """[Unit]
Description=What this node is for
[Service]
WorkingDirectory=/usr/share/doc
ExecStart=/usr/bin/python3 -m http.server 8080
[Install]
WantedBy=multi-user.target
"""
# A collector of journals on the node itself: it sends over TLS, and whoever copies the node has one too.
RECEIVER = """[Unit]
Description=Collector of journals
Before=systemd-journal-upload.service
[Service]
ExecStart=/usr/lib/systemd/systemd-journal-remote --split-mode=none --listen-https=127.0.0.1:19532 \\
  --output=/var/log/journal/remote/node.journal \\
  --key=/etc/pki/systemd/private/journal-upload.pem --cert=/etc/pki/systemd/certs/journal-upload.pem
[Install]
WantedBy=multi-user.target
"""
OPEN = {"node_baseline_firewall": {"openings": {"service": {"ports": [8080]}}}}
STAMP = "/var/lib/apt/periodic/update-success-stamp"
EMPTY_LISTS = f"rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/periodic; touch /var/lib/apt/lists {STAMP}"


@dataclass(frozen=True)
class Hardened:
    """A node after all runs, booted anew, with what each run said. touched: runs that changed files although they should not."""

    node: Node
    alone: Run
    refused: Run
    tried: Run
    first: Run
    second: Run
    tried_again: Run
    touched: tuple[str, ...]


def files(one: Node) -> str:
    """Digest, owner and mode of every file in /etc."""
    return one.inside("sh", "-c", "cd /etc && find . -type f -printf '%p %m %u:%g %T@\\n' | sort")


@pytest.fixture(scope="module")
def hardened() -> Iterator[Hardened]:
    one = up(find("hard", Progress()))
    try:
        prepare(one)
        touched = []
        before = files(one)
        alone = play(one, {**OPEN, "node_baseline_accounts": {}})
        refused = play(one)
        if files(one) != before:
            touched.append("refused")
        tried = play(one, OPEN, check=True)
        if files(one) != before:
            touched.append("check mode")
        first = play(one, OPEN)
        assert first.good, first.tail
        second = play(one, OPEN)
        after = files(one)
        tried_again = play(one, OPEN, check=True)
        if files(one) != after:
            touched.append("check mode once hardened")
        one.reboot()
        yield Hardened(one, alone, refused, tried, first, second, tried_again, tuple(touched))
    finally:
        down(one)


def prepare(one: Node) -> None:
    """What the node is for, another clock, a collector, and package lists that look fresh and are empty."""
    (one.root / "etc/systemd/system/service.service").write_text(SERVICE)
    one.inside("sh", "-c", "apt-get -q update && apt-get -q -y install systemd-timesyncd systemd-journal-remote")
    (one.root / "etc/systemd/system/collector.service").write_text(RECEIVER)
    with (one.root / "etc/hosts").open("a") as hosts:
        hosts.write(f"127.0.0.1 {COLLECTOR}\n")
    collector(one.home)
    for name, file in (("certs/journal-upload.pem", "pem"), ("private/journal-upload.pem", "key"), ("ca/trusted.pem", "pem")):
        place = one.root / "etc/pki/systemd" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.home / f"collector.{file}", place)
    one.inside("sh", "-c", "cd /etc/pki/systemd && chgrp systemd-journal private/* && chmod 640 private/* && chmod 644 certs/* ca/*")
    one.inside("mkdir", "-p", "/var/log/journal/remote")
    one.inside("systemctl", "enable", "--now", "service.service", "collector.service")
    one.inside("sh", "-c", EMPTY_LISTS)


def in_force(listing: str) -> dict[str, str]:
    """Lines `key value` or `key = value`, keys in lower case; a key that comes again keeps its first value."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.replace(" = ", " ", 1).partition(" ")
        found.setdefault(key.lower(), value.strip())
    return found


# -- runs -------------------------------------------------------------------------------------------------------


def test_what_listens_is_not_cut_off_unawares(hardened: Hardened) -> None:
    assert not hardened.refused.good
    assert "tcp/8080" in hardened.refused.output
    assert hardened.refused.changes == []


def test_a_node_that_only_one_person_could_enter_is_left_alone(hardened: Hardened) -> None:
    assert not hardened.alone.good
    assert "Only admin could sign in and become root afterwards" in hardened.alone.output
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
    assert "ok installed" in hardened.node.inside("dpkg-query", "-W", "-f", "${Status}", "auditd")


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
    effective = in_force(hardened.node.inside("sshd", "-T"))
    expected = {
        "permitrootlogin": "no", "passwordauthentication": "no", "kbdinteractiveauthentication": "no", "permitemptypasswords": "no",
        "maxauthtries": "4", "disableforwarding": "yes", "x11forwarding": "no", "logingracetime": "60", "allowgroups": "sudo",
        "clientaliveinterval": "300", "usepam": "yes",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert not [word for word in effective["ciphers"].split(",") if "cbc" in word]


def test_an_account_is_locked_after_wrong_passwords_and_opened_again(hardened: Hardened) -> None:
    one = hardened.node
    one.inside("sh", "-c", "id carol >/dev/null 2>&1 || useradd --create-home --groups sudo carol")
    one.inside("chpasswd", stdin="carol:Right-Horse-9-Battery\n")

    def becomes_root(password: str) -> bool:
        try:
            one.inside("runuser", "-u", "carol", "--", "sudo", "-S", "-k", "-p", "", "true", stdin=f"{password}\n")
        except CommandFailed:
            return False
        return True

    assert becomes_root("Right-Horse-9-Battery")
    assert not any(becomes_root("wrong") for _ in range(4))
    assert not becomes_root("Right-Horse-9-Battery"), "the account is not locked"
    one.inside("faillock", "--user", "carol", "--reset")
    assert becomes_root("Right-Horse-9-Battery")


def test_su_is_for_its_group_alone(hardened: Hardened) -> None:
    with pytest.raises(CommandFailed, match="Permission denied"):
        hardened.node.inside("runuser", "-u", "admin", "--", "su", "-c", "true", stdin="\n")


# -- what is in force -------------------------------------------------------------------------------------------


def test_what_it_served_is_served(hardened: Hardened) -> None:
    page = run(["nsenter", f"--net=/run/netns/{hardened.node.netns}", "curl", "-sS", "--max-time", "10", f"http://{ADDRESS}:8080/"])
    assert "Directory listing" in page


def test_nothing_failed(hardened: Hardened) -> None:
    assert hardened.node.inside("systemctl", "--failed", "--no-legend", "--plain").split() == []


def test_only_what_is_meant_to_listen_listens(hardened: Hardened) -> None:
    lines = hardened.node.inside("ss", "--no-header", "--listening", "--tcp", "--numeric").splitlines()
    outside = {line.split()[3].rpartition(":")[2] for line in lines if "127.0.0." not in line.split()[3] and "[::1]" not in line.split()[3]}
    assert outside - {"5355"} == {"22", "8080"}


def test_the_packet_filter_drops_what_is_not_named(hardened: Hardened) -> None:
    assert "policy drop" in hardened.node.inside("nft", "list", "chain", "inet", "node_baseline", "input")
    hardened.node.inside("systemd-run", "--quiet", "--collect", "--unit=other", "python3", "-m", "http.server", "8081")
    hardened.node.inside("sh", "-c", "for i in $(seq 50); do ss -lnt | grep -q :8081 && exit 0; sleep 0.1; done; exit 1")
    with pytest.raises(CommandFailed):
        run(["nsenter", f"--net=/run/netns/{hardened.node.netns}", "nc", "-z", "-w", "2", ADDRESS, "8081"])
    hardened.node.inside("systemctl", "stop", "other.service")


def test_kernel_parameters_of_the_network_are_in_force(hardened: Hardened) -> None:
    effective = in_force(hardened.node.inside("sysctl", "-a", "--pattern", "^net[.]ipv[46]"))
    expected = {
        "net.ipv4.ip_forward": "0", "net.ipv4.conf.all.accept_redirects": "0", "net.ipv4.conf.default.accept_redirects": "0",
        "net.ipv4.conf.all.rp_filter": "1", "net.ipv4.conf.default.rp_filter": "1", "net.ipv4.conf.all.log_martians": "1",
        "net.ipv4.tcp_syncookies": "1", "net.ipv6.conf.all.accept_ra": "0", "net.ipv6.conf.default.accept_redirects": "0",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected
    assert effective["net.ipv4.conf.host0.rp_filter"] in {"0", "1"}, "a loose filter of an interface wins over the strict one of all"


def test_there_is_one_clock(hardened: Hardened) -> None:
    assert hardened.node.inside("systemctl", "is-enabled", "chrony").strip() == "enabled"
    units = hardened.node.inside("systemctl", "list-units", "--no-legend", "--plain", "--state=active", "systemd-timesyncd.service")
    assert units.strip() == ""


def test_a_service_is_told_from_one_whose_name_contains_its_own(hardened: Hardened) -> None:
    """named is not wanted, systemd-hostnamed is."""
    assert "Static hostname: hard" in hardened.node.inside("hostnamectl", "status")


def test_logs_reach_the_collector_over_tls_also_those_from_before_it_was_there(hardened: Hardened) -> None:
    one = hardened.node
    one.inside("logger", "written while nobody listened")
    server = [
        "nsenter", f"--net=/run/netns/{one.netns}", "openssl", "s_server", "-quiet", "-accept", f"{OUTSIDE}:6514",
        "-cert", str(one.home / "collector.pem"), "-key", str(one.home / "collector.key"),
    ]  # fmt: skip
    with subprocess.Popen(server, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as listening:
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


# -- scores -----------------------------------------------------------------------------------------------------


def test_scores(hardened: Hardened, record_property: Callable[[str, object], None]) -> None:
    scores = scan(hardened.node, Progress())
    for score in scores:
        record_property(score.profile, str(score))
    assert [score.stale for score in scores] == [() for _ in scores]
    short = {score.profile: score.failed for score in scores if len(score.passed) < GOALS[score.profile]}
    assert short == {}


# -- a mistake that no look beforehand finds ----------------------------------------------------------------------


def test_former_settings_come_back_when_the_new_ones_let_nobody_in(hardened: Hardened) -> None:
    openings = {"service": {"ports": [8080]}, "ssh": {"ports": [22, 2222]}}
    mistake = {
        "node_baseline_ssh": {"port": 2222},  # where nobody looks for it
        "node_baseline_firewall": {"openings": openings},
        "node_baseline_lockout": {"rollback_seconds": 20},
    }
    assert not play(hardened.node, mistake).good
    hardened.node.await_ssh()
    assert hardened.node.ssh("sudo", "-n", "id", "-un").strip() == "root"
    assert in_force(hardened.node.inside("sshd", "-T"))["port"] == "22"
    assert "2222" not in hardened.node.inside("nft", "list", "ruleset")

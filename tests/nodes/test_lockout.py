"""What shuts somebody out, takes something away or keeps the guard from its work, on nodes that are otherwise than a fresh one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from foundation.process import run
from tests.nodes.node import USER, Node
from tests.nodes.play import play

OLD = "2020-01-01"
KEPT: Mapping[str, object] = {"node_baseline_removal": {"kept": ["nginx"]}}
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n"
HOLDS = "(echo 'add table inet other { flags owner; }'; exec sleep 900) | nft -i"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture
def aged(fresh: Node) -> Iterator[Node]:
    """A node whose administrator has a password that was set years ago."""
    fresh.inside("chpasswd", stdin=f"{USER}:Right-Horse-9-Battery\n")
    fresh.inside("chage", "--lastday", OLD, USER)
    yield fresh
    fresh.inside("usermod", "--password", "!", "--expiredate", "", USER)
    fresh.inside("chage", "--lastday", "-1", "--maxdays", "-1", "--inactive", "-1", USER)


def test_an_old_password_does_not_shut_its_owner_out(aged: Node) -> None:
    """With its age limited it has expired: sudo refuses from then on, without a password too, and so does SSH by key."""
    done = play(aged, themes=("accounts",))
    assert aged.ssh("sudo", "-n", "id", "-un").strip() == "root"
    assert "The password of admin is older than 365 days" in done.output, done.tail
    assert (done.good, done.changes) == (False, [])
    more = {"password_max_days": 9999}
    assert play(aged, {"node_baseline_accounts": more, "node_baseline_lockout": {"second_administrator": False}}, themes=("banners",)).good


def test_whoever_runs_it_is_known_where_only_ssh_itself_knows_the_name(fresh: Node) -> None:
    """Else they are counted as the other administrator, who may still sign in when their key is lost."""
    done = play(fresh, {"node_baseline_accounts": {}}, themes=("banners",), told_user=False)
    assert not done.good
    assert "Only admin could sign in and become root afterwards" in done.output, done.tail


@pytest.fixture
def serving(fresh: Node) -> Iterator[Node]:
    """A node that serves by a package which no node needs."""
    build = fresh.root / "srv/build-nginx"
    (build / "DEBIAN").mkdir(parents=True)
    (build / "DEBIAN/control").write_text(
        "Package: nginx\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: a test\n"
    )
    unit = build / "usr/lib/systemd/system/nginx.service"
    unit.parent.mkdir(parents=True)
    unit.write_text(UNIT)
    fresh.inside("sh", "-c", "dpkg-deb --build --root-owner-group /srv/build-nginx /srv/nginx.deb && dpkg -i /srv/nginx.deb")
    fresh.inside("systemctl", "start", "nginx.service")
    yield fresh
    fresh.inside("sh", "-c", "systemctl stop nginx.service; dpkg --purge nginx")


def test_what_runs_is_not_removed_unawares(serving: Node) -> None:
    done = play(serving, themes=("removal",))
    assert "ok installed" in serving.inside("dpkg-query", "-W", "-f", "${Status}", "nginx")
    assert "nginx (nginx.service)" in done.output, done.tail
    assert not done.good
    kept = play(serving, KEPT, themes=("removal",))
    assert (kept.good, kept.changes) == (True, []), kept.tail
    serving.inside("systemctl", "stop", "nginx.service")
    done = play(serving, themes=("removal",))
    assert (done.good, done.changes) == (True, ["node_baseline : Programs that no node needs"]), done.tail


def test_kernel_arguments_of_the_machine_stay(fresh: Node) -> None:
    """Without its own names of interfaces, or its console, a machine does not come back from its next boot, or in silence."""
    file = fresh.root / "etc/default/grub"
    settings = 'GRUB_CMDLINE_LINUX_DEFAULT="splash quiet"\nGRUB_CMDLINE_LINUX="console=tty0 console=ttyS0 net.ifnames=0 apparmor=0"\n'
    file.write_text(f"{settings}GRUB_ENABLE_CRYPTODISK=y\n")
    given = {"node_baseline_boot": {"arguments": ["init_on_alloc=1"]}}
    done = play(fresh, given, themes=("boot",))
    assert done.good, done.tail
    ours = "init_on_alloc=1 apparmor=1 security=apparmor audit=1 audit_backlog_limit=8192"
    told = run(["sh", "-c", f'. {file}; echo "$GRUB_CMDLINE_LINUX|$GRUB_CMDLINE_LINUX_DEFAULT|$GRUB_ENABLE_CRYPTODISK"'])
    assert told.strip() == f"console=tty0 console=ttyS0 net.ifnames=0 {ours}|splash quiet|y"
    assert f"net.ifnames=0 {ours}" in (fresh.root / "boot/grub/grub.cfg").read_text()
    again = play(fresh, given, themes=("boot",))
    assert (again.good, again.changes) == (True, []), again.tail


@pytest.fixture
def shared(fresh: Node) -> Iterator[Node]:
    """A node with a packet filter of another program, which no other may write: as firewalld has it."""
    fresh.inside("systemd-run", "--quiet", "--unit=other-filter", "sh", "-c", HOLDS)
    fresh.inside("sh", "-c", "until nft list table inet other; do sleep 0.1; done")
    yield fresh
    fresh.inside("systemctl", "stop", "other-filter.service")


def test_a_mistake_in_the_packet_filter_is_undone_beside_that_of_another_program(shared: Node) -> None:
    """Put back as a whole, the rules of the node would be refused as a whole, and nobody would get in any more."""
    openings = {"ssh": {"ports": [22], "sources": ["192.0.2.1"]}, "all": {"ports": ["1-65535"], "sources": ["192.0.2.1"]}}
    given = {"node_baseline_firewall": {"openings": openings}, "node_baseline_lockout": {"rollback_seconds": 20}}
    try:
        assert not play(shared, given, themes=("firewall",)).good
        shared.await_ssh()
    finally:
        shared.inside("sh", "-c", "nft delete table inet node_baseline 2>/dev/null || true")
    assert shared.ssh("sudo", "-n", "id", "-un").strip() == "root"
    assert "table inet other" in shared.inside("nft", "list", "ruleset")

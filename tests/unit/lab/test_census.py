"""What counts on a host as left by the lab, and what comes and goes there by itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab import census
from tests.support.waiting import until


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a host with a few files."""
    for name in ("etc/hosts", "etc/netns/lab/resolv.conf", "etc/large", "run/lock/one", "var/lib/dpkg/status", "tmp/kept"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    (tmp_path / "etc/large").write_bytes(bytes(census.SMALL + 1))
    (tmp_path / "etc/mtab").symlink_to("/proc/mounts")
    (tmp_path / "dev/shm").mkdir(parents=True)
    monkeypatch.setattr(census, "ROOT", tmp_path)
    return tmp_path


def seen(host: Path) -> list[str]:
    """Every line, with paths below the host's root."""
    return [line.replace(f"{host}/", "") for line in (*census._files(), *census._settings())]


@pytest.mark.parametrize(
    "name",
    ["tmp/nspawn-root-1", "tmp/ovs-1", "tmp/mmdebstrap.apt.conf.x", "dev/shm/uml", "run/openvswitch", "run/ovn/db.sock", "var/lib/ovn",
     "etc/ovn/a/b", "etc/systemd/system/lab.service", "var/tmp/mount", "root/lab"],
)  # fmt: skip
def test_what_is_new_counts(name: str, host: Path) -> None:
    before = seen(host)
    (host / name).parent.mkdir(parents=True, exist_ok=True)
    (host / name).touch()
    assert [line for line in seen(host) if line not in before and line.startswith(name)]


@pytest.mark.parametrize("name", ["etc/hosts", "etc/netns/lab/resolv.conf"])
def test_a_setting_that_is_another_counts(name: str, host: Path) -> None:
    before = seen(host)
    (host / name).write_text("after ")
    assert [line.split()[0] for line in seen(host) if line not in before] == [name]


def test_what_counts_or_runs_down_by_itself_is_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ip").write_text(
        "#!/bin/sh\necho default via fe80::1 dev eth0 proto ra metric 1024 expires $(date +%N | tail -c 4)sec hoplimit 64\n"
    )
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert census._lines("ip", "-6", "route") == ("default via fe80::1 dev eth0 proto ra metric 1024 hoplimit 64",)


def test_a_program_in_a_network_of_its_own_is_not_the_labs() -> None:
    """systemd starts services so, and whoever runs containers."""
    alone = subprocess.Popen(["unshare", "--net", "sleep", "98765"])
    try:
        until(lambda: Path(f"/proc/{alone.pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink())
        assert not [line for line in census._processes() if "98765" in line]
    finally:
        alone.kill()
        alone.wait()


def test_a_link_that_leads_elsewhere_counts(host: Path) -> None:
    before = seen(host)
    (host / "etc/mtab").unlink()
    (host / "etc/mtab").symlink_to("/run/mtab")
    assert [line for line in seen(host) if line not in before] == ["etc/mtab -> /run/mtab"]


@pytest.mark.parametrize(
    "name",
    ["tmp/pytest-of-root", "tmp/pymp-0a_b1c2d", "tmp/tmp8h2inmuv", "tmp/tmp8h2inmuvcacert.pem", "tmp/tmp.LlXXXXXXXX", "tmp/make.log",
     "tmp/systemd-private-0123-logrotate.service-x", "tmp/notes", "dev/shm/sem.mp-11o4uwa5", "run/user", "run/motd.dynamic.new",
     "run/unattended-upgrades.pid", "etc/hosts.dpkg-new", "etc/ssh/sshd_config.dpkg-dist", "etc/resolv.conf", "etc/ld.so.cache",
     "var/lib/dpkg/lock", "run/lock/one"],
)  # fmt: skip
def test_what_the_host_and_the_tests_change_does_not_count(name: str, host: Path) -> None:
    (host / name).parent.mkdir(exist_ok=True)
    before = seen(host)
    (host / name).write_text("after ")
    assert seen(host) == before


def test_a_count_of_this_host_ends_and_finds_no_difference_to_itself() -> None:
    found = census.take()
    assert any(line.startswith("/etc/hosts ") for line in found.settings)
    assert "/var/lib/dpkg" in found.files
    assert found.differences(found) == []

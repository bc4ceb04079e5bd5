"""Playbooks for live nodes: hardened with a gate behind, patched by what is allowed only, recorded, rebooted; a sick node stops both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from foundation.places import CHECKOUT
from tests.nodes.node import Node
from tests.nodes.play import Run, play

SITE, PATCH = CHECKOUT / "playbooks" / "site.yml", CHECKOUT / "playbooks" / "patch.yml"
BROKEN = "[Service]\nType=oneshot\nExecStart=/bin/false\n"
OURS = "as a role wrote it\n"
REBOOT = "#!/bin/sh\ntouch /run/reboot-required\n"
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


def publish(one: Node, package: str, version: str, repository: str, label: str = "") -> None:
    """Put a package into a repository on the node. label: of the repository's Release file; without one there is none."""
    place = one.root / f"srv/{repository}"
    build = one.root / f"srv/build-{package}"
    (build / "DEBIAN").mkdir(parents=True, exist_ok=True)
    place.mkdir(exist_ok=True)
    control = f"Package: {package}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n"
    (build / "DEBIAN/control").write_text(control)
    (build / "DEBIAN/postinst").write_text(REBOOT if version != "1" else "#!/bin/sh\n")
    (build / "DEBIAN/postinst").chmod(0o755)
    (build / "etc").mkdir(exist_ok=True)
    (build / f"etc/{package}.conf").write_text(f"as version {version} ships it\n")
    (build / "DEBIAN/conffiles").write_text(f"/etc/{package}.conf\n")
    one.inside("dpkg-deb", "--build", "--root-owner-group", f"/srv/build-{package}", f"/srv/{repository}/{package}.deb")
    data = (place / f"{package}.deb").read_bytes()
    listed = f"{control}Filename: ./{package}.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    (place / "Packages").write_text(listed)
    if label:
        sums = f"SHA256:\n {hashlib.sha256(listed.encode()).hexdigest()} {len(listed)} Packages\n"
        release = f"Origin: Debian\nLabel: {label}\nSuite: stable-security\nCodename: trixie-security\n{sums}"
        (place / "Release").write_text(release)
    (one.root / f"etc/apt/sources.list.d/{repository}.list").write_text(f"deb [trusted=yes] file:/srv/{repository} ./\n")


def version(one: Node, package: str) -> str:
    return one.inside("dpkg-query", "-W", "-f", "${Version}", package).strip()


def patch(one: Node, **more: object) -> Run:
    return play(one, {"patch_records": str(one.home / "patches"), "health_seconds": 120, **more}, book=PATCH, names=("node", "other"))


@pytest.fixture(scope="module")
def sited(fresh: Node) -> tuple[Node, Run]:
    """A node hardened by site.yml, with a package of which a newer version is to come from each of two repositories."""
    done = play(fresh, {"health_seconds": 120}, book=SITE)
    assert done.good, done.tail
    for package, repository in (("lz-safe", "security"), ("lz-other", "elsewhere")):
        publish(fresh, package, "1", repository)
        fresh.inside("dpkg", "-i", f"/srv/{repository}/{package}.deb")
        (fresh.root / f"etc/{package}.conf").write_text(OURS)
    publish(fresh, "lz-safe", "2", "security", "Debian-Security")
    publish(fresh, "lz-other", "2", "elsewhere")
    return fresh, done


def test_the_gate_is_behind_the_role(sited: tuple[Node, Run]) -> None:
    output = sited[1].output
    assert output.rindex("TASK [No unit has failed]") > output.rindex("TASK [node_baseline : ")


@pytest.fixture
def sick(sited: tuple[Node, Run]) -> Iterator[Node]:
    """The node with a unit that has failed."""
    one = sited[0]
    (one.root / "etc/systemd/system/broken.service").write_text(BROKEN)
    one.inside("sh", "-c", "systemctl daemon-reload; systemctl start broken.service || true")
    yield one
    one.inside("systemctl", "reset-failed")


def test_a_sick_node_stops_the_run_and_nothing_is_patched(sick: Node) -> None:
    done = patch(sick)
    assert not done.good
    assert "broken.service failed" in done.output, done.tail
    assert "[other]" not in done.output
    assert version(sick, "lz-safe") == "1"


def test_a_sick_node_keeps_the_next_from_being_hardened(sick: Node) -> None:
    done = play(sick, {"health_seconds": 120}, book=SITE, names=("node", "other"))
    assert not done.good
    assert "broken.service failed" in done.output, done.tail
    assert "[other]" not in done.output


def test_check_mode_says_what_would_be_patched_and_patches_nothing(sited: tuple[Node, Run]) -> None:
    one = sited[0]
    one.inside("apt-get", "-q", "update")  # check mode fetches no lists: a node that knows of no update would stay as it is in any case
    done = play(one, {"health_seconds": 120}, book=PATCH, check=True)
    assert done.good, done.tail
    assert done.changes == ["Updates"]
    assert version(one, "lz-safe") == "1"


def test_security_updates_are_made_recorded_and_followed_by_a_reboot(sited: tuple[Node, Run]) -> None:
    one = sited[0]
    before = one.inside("cat", "/proc/sys/kernel/random/boot_id")
    done = patch(one)
    assert done.good, done.tail
    assert version(one, "lz-safe") == "2"  # although it ships another of the files that a role wrote
    assert (one.root / "etc/lz-safe.conf").read_text() == OURS
    assert version(one, "lz-other") == "1"
    assert one.inside("cat", "/proc/sys/kernel/random/boot_id") != before
    first, second = (json.loads(next((one.home / "patches").glob(f"{name}-*.json")).read_text()) for name in ("node", "other"))
    assert (first["changed"], first["gone"], first["reboot"]) == (["lz-safe 2"], [], True)
    assert (first["before"]["lz-safe"], first["after"]["lz-safe"]) == ("1", "2")
    assert (second["changed"], second["reboot"]) == ([], False)

"""Nothing leaks: TLS only from outside, no way to the host or beyond, no secret where it does not belong."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from pathlib import Path

import pytest

from foundation.places import CHECKOUT
from foundation.process import CommandFailed, run
from lab import ports
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import SERVICES, Places, Region
from tests.support import listening

pytestmark = pytest.mark.lab


def _version(where: Places, region: Region, port: int, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3, curve: str = "") -> str | None:
    """The version of TLS that is agreed on with whoever knows none above `highest`, and, where one is named, no other curve."""
    context = ssl.create_default_context(cafile=str(where.ca))
    context.maximum_version = highest
    if curve:
        context.set_ecdh_curve(curve)
    with (
        socket.create_connection((str(region.api), port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=str(region.api)) as tls,
    ):
        return tls.version()


def test_endpoints_speak_tls_1_3_and_nothing_older(where: Places, regions: tuple[Region, ...]) -> None:
    for region in regions:
        for service in SERVICES:
            assert _version(where, region, service.port) == "TLSv1.3"
            with pytest.raises(ssl.SSLError):
                _version(where, region, service.port, ssl.TLSVersion.TLSv1_2)


def test_endpoints_know_the_curves_of_the_modern_profile_and_no_other(where: Places, regions: tuple[Region, ...]) -> None:
    for region in regions:
        for service in SERVICES:
            for curve in ("prime256v1", "secp384r1"):
                assert _version(where, region, service.port, curve=curve) == "TLSv1.3"
            with pytest.raises(ssl.SSLError):
                _version(where, region, service.port, curve="secp521r1")


def test_endpoints_tell_clients_to_come_by_tls_only(where: Places, regions: tuple[Region, ...]) -> None:
    context = ssl.create_default_context(cafile=str(where.ca))
    for region in regions:
        for service in SERVICES:
            with contextlib.closing(http.client.HTTPSConnection(str(region.api), service.port, timeout=20, context=context)) as line:
                line.request("GET", service.probe)
                assert line.getresponse().getheader("Strict-Transport-Security") == "max-age=63072000", (region.name, service.name)


def test_outside_addresses_of_a_machine_have_known_listeners_only(where: Places, regions: tuple[Region, ...]) -> None:
    for region in regions:
        assert ports.look(machine_of(where, region), region) == ports.Ports((), ())


def test_a_port_behind_the_firewall_does_not_answer_from_the_host(machine: Machine, north: Region) -> None:
    with listening.inside(machine, north.api, 7777):
        assert ports.look(machine, north).strange == (f"{north.api}:7777 (nc)",)
        with pytest.raises(OSError):
            socket.create_connection((str(north.api), 7777), timeout=2).close()


def test_names_in_clear_text_are_for_the_machine_and_its_instances(machine: Machine, north: Region) -> None:
    place = str(north.floating[1])
    machine.inside("nc", "-z", "-w2", place, "53")
    with pytest.raises(OSError):
        socket.create_connection((place, 53), timeout=2).close()


def test_lab_addresses_that_nobody_has_lead_nowhere() -> None:
    for address in ("198.18.99.1", "198.19.0.1"):
        with pytest.raises(CommandFailed) as refused:
            run(["ip", "route", "get", address])
        assert "unreachable" in refused.value.output.lower() or "no route" in refused.value.output.lower()


def test_a_machine_has_no_way_out_but_its_lines(regions: tuple[Region, ...]) -> None:
    for region in regions:
        with pytest.raises(CommandFailed) as refused:
            run(["ip", "-n", region.netns, "route", "get", "192.0.2.1"])
        assert "unreachable" in refused.value.output.lower() or "no route" in refused.value.output.lower()


def test_regions_reach_each_other_over_their_own_line(where: Places, regions: tuple[Region, ...]) -> None:
    if len(regions) < 2:
        pytest.fail("only one region stands: the line between regions could not be tested; use a machine with 16 GiB")
    one, two = regions
    for here, there in ((one, two), (two, one)):
        assert "dev wan0" in run(["ip", "-n", here.netns, "route", "get", str(there.floating[10])])
        text = machine_of(where, here).inside(
            "curl", "--silent", "--max-time", "10", "--cacert", "/usr/local/share/ca-certificates/lab.crt", f"https://{there.api}:5000/v3"
        )
        assert '"stable"' in text


def test_no_password_in_a_process_list_a_log_or_git(where: Places, regions: tuple[Region, ...]) -> None:
    known = set()
    for region in regions:
        known |= set(json.loads((where.region(region) / "secrets.json").read_text()).values())
    assert len(known) > 20
    commands = b"\n".join(_read(entry / "cmdline") for entry in Path("/proc").glob("[0-9]*"))
    logs = [path for path in where.logs.rglob("*") if path.is_file()]
    logs += [path for region in regions for path in (where.region(region) / "upper/var/log").rglob("*") if path.is_file()]
    logs += [path for region in regions for path in where.region(region).glob("*.log")]
    tracked = [CHECKOUT / name for name in run(["git", "-C", CHECKOUT, "ls-files"]).splitlines()]
    for secret in known:
        assert secret.encode() not in commands
    for path in [*logs, *tracked]:
        text = _read(path)
        assert not [secret for secret in known if secret.encode() in text], path
    for region in regions:  # in its files long entries are packed
        said = machine_of(where, region).inside("journalctl", "--output=json", "--output-fields=MESSAGE", "--all", "--no-pager")
        assert '"MESSAGE"' in said
        assert not [secret for secret in known if secret in said], region.name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_secrets_on_disk_are_for_root_alone(where: Places, regions: tuple[Region, ...]) -> None:
    for file in [where.clouds, where.root / "ca.key", *(where.region(region) / "secrets.json" for region in regions)]:
        assert file.stat().st_mode & 0o777 == 0o600, file
    for region in regions:
        assert where.region(region).stat().st_mode & 0o777 == 0o700, "accounts of the host have the numbers of those in the machine"

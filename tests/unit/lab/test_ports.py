"""Listeners of a region's machine against those that it should have."""

from __future__ import annotations

from lab import ports
from lab.settings import REGIONS

NORTH = REGIONS["north"]


def line(place: str, program: str = "haproxy") -> str:
    return f'tcp LISTEN 0 128 {place} 0.0.0.0:* users:(("{program}",pid=7,fd=3))'


def test_what_should_listen_and_does_is_fine() -> None:
    lines = [*(line(place) for place in ports.expected(NORTH)), line("127.0.0.1:3306", "mariadbd"), line("[::1]:53", "named")]
    assert ports.compare("\n".join(lines), NORTH) == ports.Ports((), ())


def test_a_silent_port_and_a_stranger_are_named() -> None:
    places = [place for place in ports.expected(NORTH) if not place.endswith(":5000")]
    found = ports.compare("\n".join([*map(line, places), line("0.0.0.0:25", "exim4")]), NORTH)
    assert found.missing == ((f"{NORTH.api}:5000", "keystone"),)
    assert found.strange == ("0.0.0.0:25 (exim4)",)


def test_a_stranger_that_is_bound_to_one_device_is_named_too() -> None:
    every = [*(line(place) for place in ports.expected(NORTH)), line("127.0.0.53%lo:53", "systemd-resolve")]
    assert ports.compare("\n".join([*every, line("0.0.0.0%up0:68", "dhcpcd")]), NORTH).strange == ("0.0.0.0%up0:68 (dhcpcd)",)

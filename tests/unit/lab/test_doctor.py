"""Everything that the doctor looks at is named in plain words when it is wrong, each with a cure."""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import pytest

from foundation.errors import Problem
from lab import cloud, doctor, health, hostnet, lifecycle, pki, ports, requirements, snapshot
from lab.daemons import EVERY_UNIT
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import REGIONS, SERVICES, Places
from tests.unit.lab.test_requirements import Usage

NORTH = REGIONS["north"]


class Inside:
    """What programs inside the machine say; `dead` units are not active."""

    def __init__(self) -> None:
        self.dead: set[str] = set()

    def run(self, *words: str) -> str:
        if words[0] == "journalctl":
            return "its last words"
        return "\n\n".join(f"Id={unit}.service\nActiveState={'failed' if unit in self.dead else 'active'}" for unit in EVERY_UNIT)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inside:
    """A lab of region north that is well in all that the doctor looks at."""
    said = Inside()
    monkeypatch.setattr(Machine, "inside", said.run)
    monkeypatch.setattr(doctor, "standing", lambda where: lifecycle.Standing(lifecycle.code_digest(), ("north",), "uml"))
    monkeypatch.setattr(doctor, "running", lambda where: (NORTH,))
    monkeypatch.setattr(hostnet, "links", lambda: {NORTH.host_link})
    monkeypatch.setattr(hostnet, "ip", lambda *_: "[]")
    monkeypatch.setattr(health, "probe_all", lambda region, where: [health.Answer(s.name, region.url(s), 200, 1) for s in SERVICES])
    monkeypatch.setattr(health, "silent_agents", lambda cloud: [])
    monkeypatch.setattr(cloud, "connect", lambda region, where: None)
    monkeypatch.setattr(ports, "look", lambda machine, region: ports.Ports((), ()))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 100 << 30))
    monkeypatch.setattr(requirements, "memory_gib", lambda kind: 9.0)
    pki.ensure_authority(tmp_path / "ca.pem", tmp_path / "ca.key")
    return said


def found(where: Path) -> Problem:
    (problem,) = doctor.examine(Places(where))
    return problem


def test_a_lab_that_is_well_has_no_finding(inside: Inside, tmp_path: Path) -> None:
    assert doctor.examine(Places(tmp_path)) == []


@pytest.mark.parametrize("unit", EVERY_UNIT)
def test_a_service_that_is_down(inside: Inside, tmp_path: Path, unit: str) -> None:
    inside.dead = {unit}
    problem = found(tmp_path)
    assert (problem.what, problem.why) == (f"north: {unit}.service is failed", "its last words")
    assert f"systemctl restart {unit}.service" in problem.cure


@pytest.mark.parametrize("agent", [*health.NOVA, *health.CINDER, "OVN Controller", "OVN Metadata agent"])
def test_an_agent_that_is_silent(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: str) -> None:
    monkeypatch.setattr(health, "silent_agents", lambda cloud: [agent])
    problem = found(tmp_path)
    assert problem.what == f"north: {agent} does not report itself"
    unit = problem.cure.partition("systemctl restart ")[2].partition("`")[0]
    assert unit in {*EVERY_UNIT, "ovn-controller"}


def test_a_line_that_somebody_took_away(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostnet, "links", set)
    assert (found(tmp_path).where, "lz lab up" in found(tmp_path).cure) == (NORTH.host_link, True)


def test_an_endpoint_that_does_not_answer(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "probe_all", lambda region, where: [health.Answer("nova", "https://x", 503, 1)])
    problem = found(tmp_path)
    assert (problem.what, problem.why) == ("north: nova does not answer", "HTTP 503")
    assert "lz lab logs north" in problem.cure


def test_a_port_that_is_silent_and_one_too_many(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "look", lambda *_: ports.Ports((("198.18.0.2:5000", "keystone"),), ("0.0.0.0:25 (exim4)",)))
    silent, strange = doctor.examine(Places(tmp_path))
    assert (silent.what, silent.where) == ("north: nothing listens for keystone", "198.18.0.2:5000")
    assert "systemctl restart haproxy" in silent.cure
    assert strange.where == "0.0.0.0:25 (exim4)"
    assert "ss -tulpn" in strange.cure


def test_disk_and_memory(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1 << 30))
    monkeypatch.setattr(requirements, "memory_gib", lambda kind: 0.5)
    disk, memory = doctor.examine(Places(tmp_path))
    assert disk.what == "only 1.0 GiB of disk are free"
    assert memory.what == "only 0.5 GiB of memory are available"
    assert all(problem.cure for problem in (disk, memory))


def test_a_route_that_somebody_laid_into_the_range(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostnet, "ip", lambda *_: json.dumps([{"dst": "198.18.32.0/20", "dev": "tun0"}]))
    (problem,) = doctor.examine(Places(tmp_path))
    assert problem.where == "198.18.32.0/20 dev tun0"
    assert "ip route del" in problem.cure


def test_certificates_that_are_over(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in tmp_path.iterdir():
        file.unlink()
    monkeypatch.setattr(pki, "LIFETIME", datetime.timedelta(minutes=-1))
    pki.ensure_authority(tmp_path / "ca.pem", tmp_path / "ca.key")
    problem = found(tmp_path)
    assert problem.what == "the lab's certificates are not valid by the clock of this machine"
    assert "set the clock" in problem.cure
    assert "`lz lab down`, then `lz lab up`" in problem.cure


@pytest.mark.parametrize(("days", "problems"), [(-1, 1), (0, 0), (364, 0), (366, 1)])
def test_a_clock_by_which_no_certificate_is_valid(inside: Inside, tmp_path: Path, days: int, problems: int) -> None:
    now = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    assert len(list(doctor._certificates(Places(tmp_path), now))) == problems


def test_a_machine_that_does_not_run(inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "running", lambda where: ())
    problem = found(tmp_path)
    assert problem.what == "north: the machine is not running"
    assert problem.cure == "run `lz lab up`"


def test_a_reset_that_was_broken_off_is_named_and_not_what_follows_from_it(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever restarts the database that a reset stopped has it run on half of its files."""
    inside.dead = {"mariadb"}
    machine = machine_of(Places(tmp_path), NORTH)
    machine.home.mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.delattr(Machine, "inside")
        with pytest.raises(AttributeError):
            snapshot.restore(machine)
    problem = found(tmp_path)
    assert problem.what == "north: a reset has not come to its end"
    assert problem.cure == "run `lz lab reset`"

"""What is wrong with the lab that stands, in plain words, each with its cure."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator

from cryptography import x509

from foundation.errors import Problem
from foundation.process import CommandFailed
from lab import cloud, health, hostnet, ports, requirements, snapshot
from lab.daemons import EVERY_UNIT
from lab.lifecycle import OF_OTHER_CODE, code_digest, running, standing
from lab.region import machine_of
from lab.settings import REGIONS, Places, Region

LEAST_MEMORY_GIB = 1.5
# What an agent calls itself -> its unit, where they differ.
UNITS = {"OVN Controller": "ovn-controller", "OVN Metadata agent": "neutron-ovn-metadata-agent"}


def examine(places: Places) -> list[Problem]:
    """Every finding; an empty list means that the lab works."""
    known = standing(places)
    if known is None:
        return [
            *requirements.missing(places, requirements.default_regions()),
            Problem("no lab stands on this machine", cure="run `lz lab up`"),
        ]
    found = list(_host(places))
    if known.code != code_digest():
        found.append(OF_OTHER_CODE)
    up = {region.name for region in running(places)}
    for name in known.regions:
        if name in up:
            found += _region(places, REGIONS[name])
        else:
            found.append(
                Problem(f"{name}: the machine is not running", why="it was stopped, or the host restarted", cure="run `lz lab up`")
            )
    return found


def _host(places: Places) -> Iterator[Problem]:
    free = shutil.disk_usage(places.root).free / 1024**3
    if free < requirements.LEAST_DISK_GIB:
        yield Problem(
            f"only {free:.1f} GiB of disk are free", where=str(places.root), cure="free some disk; services fail to write without it"
        )
    yield from _certificates(places, datetime.datetime.now(datetime.UTC))
    available = requirements.memory_gib("MemAvailable")
    if available < LEAST_MEMORY_GIB:
        yield Problem(f"only {available:.1f} GiB of memory are available", cure="delete instances, or run one region")
    yield from requirements.astray()


def _certificates(places: Places, now: datetime.datetime) -> Iterator[Problem]:
    """The machines have the host's clock; what a wrong one breaks first is that no certificate is valid any more."""
    authority = x509.load_pem_x509_certificate(places.ca.read_bytes())
    first, last = authority.not_valid_before_utc, authority.not_valid_after_utc
    if not first <= now <= last:
        yield Problem(
            "the lab's certificates are not valid by the clock of this machine", where=str(places.ca),
            why=f"they are from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}, the clock says {now:%Y-%m-%d %H:%M} UTC",
            cure="set the clock; where it is right, run `lz lab down`, then `lz lab up`",
        )  # fmt: skip


def _region(places: Places, region: Region) -> Iterator[Problem]:
    machine = machine_of(places, region)
    if snapshot.unfinished(machine):  # whatever else is wrong follows from it, and has no cure of its own
        yield Problem(
            f"{region.name}: a reset has not come to its end", why="it was killed or failed, unless it still runs: data may be half copied",
            cure="run `lz lab reset`",
        )  # fmt: skip
        return
    if region.host_link not in hostnet.links():
        yield Problem(
            f"{region.name}: the line from the host is gone", where=region.host_link, cure="run `lz lab up`: it lays the line again"
        )
    states = machine.inside("systemctl", "show", "--property=Id,ActiveState", *(f"{unit}.service" for unit in EVERY_UNIT))
    for block in states.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines())
        if values.get("ActiveState") not in ("active", "reloading"):
            unit = values.get("Id", "?")
            yield Problem(
                f"{region.name}: {unit} is {values.get('ActiveState')}", why=_last_words(places, region, unit),
                cure=f"run `lz lab console {region.name} -- systemctl restart {unit}`; `lz lab logs {region.name} {unit}` tells more",
            )  # fmt: skip
    for answer in health.probe_all(region, places):
        if not answer.good:
            yield Problem(
                f"{region.name}: {answer.service} does not answer", where=answer.url, why=answer.error or f"HTTP {answer.status}",
                cure=f"`lz lab logs {region.name}` names the unit that fails",
            )  # fmt: skip
    yield from _ports(places, region)
    yield from _agents(places, region)


def _ports(places: Places, region: Region) -> Iterator[Problem]:
    seen = ports.look(machine_of(places, region), region)
    for place, name in seen.missing:
        unit = "named" if "name service" in name else "haproxy"
        yield Problem(
            f"{region.name}: nothing listens for {name}", where=place,
            cure=f"run `lz lab console {region.name} -- systemctl restart {unit}`; `lz lab logs {region.name} {unit}` tells more",
        )  # fmt: skip
    for strange in seen.strange:
        yield Problem(
            f"{region.name}: a program listens on an address that others reach", where=strange,
            why="it is none of the lab's; the packet filter stops what comes from outside the machine",
            cure=f"find it with `lz lab console {region.name} -- ss -tulpn`, and stop it",
        )  # fmt: skip


def _agents(places: Places, region: Region) -> Iterator[Problem]:
    try:
        silent = health.silent_agents(cloud.connect(region, places))
    except Exception as problem:
        yield Problem(f"{region.name}: its agents cannot be listed", why=str(problem), cure="cure the services named above first")
        return
    for name in silent:
        unit = UNITS.get(name, name)
        yield Problem(
            f"{region.name}: {name} does not report itself",
            cure=f"run `lz lab console {region.name} -- systemctl restart {unit}`; `lz lab logs {region.name} {unit}` tells more",
        )


def _last_words(places: Places, region: Region, unit: str) -> str:
    try:
        text = machine_of(places, region).inside("journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=3", f"--unit={unit}")
    except CommandFailed:
        return ""
    return text.strip()

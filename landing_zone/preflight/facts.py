"""What preflight reads of a region, as plain data: what the checks look at, and what their tests record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from landing_zone.preflight.demand import Wanted


@dataclass(frozen=True)
class Version:
    """A microversion."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class Worker:
    """One program of a service, such as nova-compute on a host."""

    binary: str
    host: str
    enabled: bool
    alive: bool


@dataclass(frozen=True)
class Outer:
    """An external network. `free` IPv4 addresses are left in its allocation pools (None: the cloud does not tell)."""

    name: str
    free: int | None
    id: str = ""


@dataclass(frozen=True)
class Flavor:
    """Memory in MiB, root disk in GiB (0: as large as the image)."""

    name: str
    cpus: int
    ram: int
    disk: int


@dataclass(frozen=True)
class Image:
    """Least memory in MiB and least disk in GiB that it needs; who sees it, by ids of projects.

    `members` are those that have accepted it, where its `visibility` is shared.
    """

    name: str
    id: str
    status: str
    min_ram: int
    min_disk: int
    visibility: str
    owner: str
    members: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Content:
    """What instances are made of."""

    flavors: tuple[Flavor, ...]
    images: tuple[Image, ...]


@dataclass(frozen=True)
class Limit:
    """A limit of a project (-1: none), and what is used and reserved of it."""

    limit: int
    used: int = 0
    reserved: int = 0


@dataclass(frozen=True)
class Host:
    """A compute host that takes instances: its zone (None: the cloud does not tell), and what it can yet give out by resource class
    (VCPU, MEMORY_MB, DISK_GB).

    That is Placement's own sum: total less reserved, times the allocation ratio, less what is used.
    """

    name: str
    zone: str | None
    free: Mapping[str, int]


@dataclass(frozen=True)
class Rooms:
    """Flavors, and the hosts that Placement offers for each, by flavor."""

    flavors: tuple[Flavor, ...]
    hosts: Mapping[str, tuple[Host, ...]]


@dataclass(frozen=True)
class Quotas:
    """Limits by project name and limit, as `QuotaSpec` calls them; `administrator` are those of the account that signs in."""

    projects: Mapping[str, Mapping[str, Limit]]
    administrator: Mapping[str, Limit]
    administrator_id: str
    flavors: tuple[Flavor, ...]


@dataclass(frozen=True)
class DnsZone:
    """A zone of Designate, and the id of the project that has it."""

    name: str
    id: str
    project: str


@dataclass(frozen=True)
class Taken:
    """Names that are in use in the cloud: name -> ids; for what is wanted within a domain, ids of what has its name there.

    `around` are zones above and below those of the plan.
    """

    domains: Mapping[str, tuple[str, ...]]
    zones: Mapping[str, tuple[str, ...]]
    networks: Mapping[str, tuple[str, ...]]
    identities: Mapping[Wanted, tuple[str, ...]] = field(default_factory=dict)
    around: tuple[DnsZone, ...] = ()


@dataclass(frozen=True)
class Handshake:
    """A TLS connection to HOST:PORT of the catalogue; `days` until the certificate ends; `error` when it did not come about."""

    place: str
    days: float = 0.0
    protocol: str = ""
    error: str = ""

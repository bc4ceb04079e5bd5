"""The environment model: the shape of one environment file. Every key says in its own description what it means.

Rules that span several keys are in `rules`; figures that a security level prescribes are in `levels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Literal

from pydantic import Field

from landing_zone.model.fields import (
    COUNTRY,
    AnyAddress,
    AnyNetwork,
    AsciiText,
    BackendUrl,
    CloudName,
    Code,
    Country,
    DnsName,
    DtiCode,
    Email,
    Entry,
    FederatedId,
    HumanText,
    IssuerUrl,
    Klass,
    Latitude,
    Level,
    LoginName,
    Longitude,
    Multiplied,
    Port,
    Ports,
    Positive,
    Record,
    Size,
    Stage,
    Transport,
    V4Network,
    V6Network,
    Whole,
    ZoneName,
)
from landing_zone.model.levels import figures, zones, zones_of


class Name(Record):
    """A name for people, in both languages."""

    vi: HumanText = Field(description="Name in Vietnamese.")
    en: HumanText = Field(description="Name in English.")


class Contact(Record):
    """Somebody who answers for an environment or a tenant."""

    role: Literal["owner", "security", "operations"] = Field(description="What this contact answers for.")
    name: HumanText = Field(description="Office or person.")
    email: Email = Field(description="Mail address.")


class Supernets(Record):
    """The address space of one region; regions of one environment do not overlap."""

    ipv4: V4Network = Field(description="IPv4 supernet, private; everything that the landing zone addresses in the region lies in it.")
    ipv6: V6Network = Field(description="IPv6 supernet, a unique local prefix or one assigned to the organisation.")


class Capacity(Record):
    """What the region's cloud can carry; the sums of all quotas fit in."""

    cores: Positive = Field(description="Virtual CPU cores, overcommit included.")
    ram_gib: Positive = Field(description="Memory for instances, GiB.")
    volume_gib: Positive = Field(description="Block storage, GiB.")
    backup_gib: Positive = Field(description="Backup storage, GiB.")
    object_gib: Positive = Field(description="Object storage, GiB.")
    floating_ips: Positive = Field(description="Floating addresses that this environment may use.")


class Region(Record):
    """One OpenStack cloud with its own identity service."""

    name: Code = Field(description="Name of the region, also in stack names: what the cloud calls it, if `cloud_region` does not say it.")
    cloud: Entry = Field(description="Entry of clouds.yaml that leads to the region's cloud.")
    cloud_region: Entry | None = Field(
        default=None, description="What that cloud itself calls the region, such as RegionOne; none: as `name`."
    )
    role: Literal["primary", "secondary"] = Field(description="`primary` serves, `secondary` takes over.")
    counterpart: Code | None = Field(default=None, description="The other region of its pair: each takes over when the other is lost.")
    place: HumanText = Field(description="Where the data centre stands, for people.")
    country: Country = Field(description="Country of the data centre: the environment's own (ISO 3166, two letters).")
    latitude: Latitude = Field(description="Latitude in degrees, for the distance between regions.")
    longitude: Longitude = Field(description="Longitude in degrees.")
    external_network: CloudName = Field(description="Existing provider network that routers and floating addresses use.")
    availability_zones: tuple[CloudName, ...] = Field(
        min_length=1, description="Availability zones of the compute service; the first is where the platform itself runs."
    )
    addresses: Supernets = Field(description="Address space of the region.")
    resolvers: tuple[AnyAddress, ...] = Field(default=(), description="Name servers that instances are told to use; none: the cloud's own.")
    capacity: Capacity = Field(description="What the region's cloud can carry.")

    @property
    def called(self) -> str:
        """What its cloud calls it."""
        return self.cloud_region or self.name


class Addressing(Record):
    """How supernets are cut. A change would move every address, so the ledger refuses it once addresses have been given out."""

    platform_ipv4: int = Field(default=20, strict=True, ge=8, le=22, description="Prefix length of the platform's own IPv4 block.")
    platform_zone_ipv4: int = Field(default=26, strict=True, ge=12, le=26, description="Prefix length of a platform zone's IPv4 subnet.")
    tenant_ipv4: int = Field(default=22, strict=True, ge=10, le=26, description="Prefix length of an IPv4 slot; a tenant has one or more.")
    zone_ipv4: int = Field(
        default=25, strict=True, ge=13, le=29, description="Prefix length of a zone's IPv4 subnet in a block of one slot."
    )
    platform_ipv6: int = Field(default=56, strict=True, ge=16, le=60, description="Prefix length of the platform's own IPv6 block.")
    tenant_ipv6: int = Field(default=56, strict=True, ge=16, le=60, description="Prefix length of an IPv6 slot; a zone's subnet is a /64.")


class Destination(Record):
    """Addresses outside of the environment that flows may name."""

    name: Code = Field(description="Name by which flows refer to it.")
    kind: Literal["service", "partner", "office"] = Field(
        description="`service`: something that instances need (mirror, time, cloud API). `partner`: another organisation or cloud, "
        "reached through the exchange zone only. `office`: users of an agency, who reach the internal zone only."
    )
    networks: tuple[AnyNetwork, ...] = Field(min_length=1, description="Its prefixes.")
    description: AsciiText = Field(description="What it is.")


class SharedService(Record):
    """A service of the platform that other zones use, at a fixed address in a platform zone."""

    name: Code = Field(description="Name of the service, also its host name.")
    kind: Literal["dns", "time", "mirror", "log", "registry", "backup", "gateway"] = Field(description="What it does.")
    zone: ZoneName = Field(description="Platform zone in which it stands.")
    host: int = Field(strict=True, ge=4, le=31, description="Its address in the zone's subnets: the number of the host, 4 to 31.")
    protocol: Literal["tcp", "udp", "both"] = Field(description="Transport protocol; `both`: each port by either, as name servers answer.")
    ports: tuple[Port, ...] = Field(min_length=1, description="Ports on which it answers.")
    clients: tuple[ZoneName, ...] = Field(min_length=1, description="Zones that may use it.")

    @property
    def ways(self) -> tuple[tuple[Literal["tcp", "udp"], int], ...]:
        """Each transport protocol by which it answers, with each of its ports."""
        transports: tuple[Literal["tcp", "udp"], ...] = ("tcp", "udp") if self.protocol == "both" else (self.protocol,)
        return tuple(product(transports, self.ports))


class Flow(Record):
    """One permitted kind of connection. Everything that no flow names is refused, in and out."""

    source: AsciiText = Field(
        alias="from",
        description="Who connects: a zone, `TENANT/ZONE`, the name of a destination, or `world`. "
        "Between two tenant zones the flow stays within each tenant.",
    )
    target: AsciiText = Field(alias="to", description="Who is connected to: as in `from`.")
    protocol: Transport = Field(description="Transport protocol; `icmp` stands for ICMPv6 too.")
    ports: tuple[Ports, ...] = Field(default=(), description='Ports of the target, single or as "8000-8010"; none for icmp.')
    reason: AsciiText = Field(description="Why it is needed; becomes the description of the rule.")


class QuotaProfile(Record):
    """Limits of one project. Networks and routers are made by the landing zone and not counted here."""

    name: Code = Field(description="Name by which projects refer to it.")
    instances: Whole = Field(description="Instances.")
    cores: Whole = Field(description="Virtual CPU cores.")
    ram_gib: Multiplied = Field(description="Memory, GiB.")
    key_pairs: Whole = Field(default=20, description="SSH key pairs a user.")
    server_groups: Whole = Field(default=10, description="Server groups (placement rules).")
    ports: Whole = Field(default=50, description="Network ports.")
    floating_ips: Whole = Field(default=0, description="Floating addresses; only tenants with an edge zone may have any.")
    security_groups: Whole = Field(default=10, description="Security groups of the tenant's own.")
    security_group_rules: Whole = Field(default=100, description="Rules in them.")
    volumes: Whole = Field(description="Volumes.")
    volume_gib: Whole = Field(description="Sum of all volumes and snapshots, GiB.")
    snapshots: Whole = Field(default=10, description="Volume snapshots.")
    backups: Whole = Field(default=10, description="Volume backups.")
    backup_gib: Whole = Field(default=0, description="Sum of all backups, GiB.")
    load_balancers: Whole = Field(default=0, description="Load balancers; ten listeners, pools and health monitors each.")
    dns_zones: Multiplied = Field(default=0, description="DNS zones; a hundred record sets each.")
    object_gib: Whole = Field(default=0, description="Object storage, GiB; `backup_gib` comes on top: Cinder may keep backups there.")
    secrets: Whole = Field(
        default=20,
        description="Secrets in the key manager, one of them for each encrypted volume: from level 2 as many as `volumes`, or more. "
        "As many containers.",
    )


class Project(Record):
    """One workload project of a tenant."""

    code: Code = Field(description="Short name, unique within the tenant.")
    purpose: AsciiText = Field(description="What runs in it.")
    quota: Code = Field(description="Name of its quota profile.")


class Group(Record):
    """A group of people of a tenant."""

    name: Code = Field(description="Short name, unique within the tenant.")
    role: Literal["manager", "member", "reader"] = Field(
        description="`manager` manages users, groups and grants within the tenant's own domain and looks into its projects, "
        "`member` works in its projects, `reader` looks."
    )
    projects: tuple[Code, ...] = Field(default=(), description="Projects that it covers; none: all of the tenant's.")


class Person(Record):
    """Somebody who signs on by the identity provider; no account, and no membership, is made for it."""

    federated_id: FederatedId = Field(description="Identifier that the identity provider sends: up to 64 ASCII characters, no spaces.")
    groups: tuple[Code, ...] = Field(min_length=1, description="Groups of the tenant that the person belongs to.")


class Tenant(Record):
    """One agency."""

    code: Code = Field(description="Short name of the tenant, also in the names of its resources and stacks.")
    dti_code: DtiCode = Field(
        description="Identification code of the agency, in the scheme that `code_scheme` names: capitals, digits, '.' and '-'."
    )
    name: Name = Field(description="Name of the agency.")
    level: Level = Field(description="Security level of what the tenant runs.")
    enclave: Code | None = Field(default=None, description="Enclave in which it runs; needed where its level is above the environment's.")
    regions: tuple[Code, ...] = Field(
        default=(), description="Regions in which it has resources, from level 3 one and its counterpart at least; none: all."
    )
    size: Size = Field(default=1, description="How many address slots it takes; each zone's subnet grows with it.")
    zones: tuple[ZoneName, ...] = Field(default=(), description="Tenant zones that it uses; none: those of `tenant_defaults`.")
    projects: tuple[Project, ...] = Field(default=(), description="Its projects; none: those of `tenant_defaults`.")
    groups: tuple[Group, ...] = Field(default=(), description="Its groups; none: those of `tenant_defaults`.")
    people: tuple[Person, ...] = Field(
        default=(),
        description="People known by name. They are checked and stand in the plan; nothing is made of them in the cloud: who is in which "
        "group, Keystone's mapping decides, which is not made by `lz` (see `federation`).",
    )
    contacts: tuple[Contact, ...] = Field(default=(), description="Who answers for the tenant.")


class TenantDefaults(Record):
    """What a tenant has that does not say otherwise."""

    zones: tuple[ZoneName, ...] = Field(min_length=1, description="Tenant zones.")
    projects: tuple[Project, ...] = Field(min_length=1, description="Projects.")
    groups: tuple[Group, ...] = Field(min_length=1, description="Groups.")


class Enclave(Record):
    """A part of the environment with a higher level: hosts and storage that nothing else uses."""

    code: Code = Field(description="Short name.")
    name: Name = Field(description="Name for people.")
    level: Level = Field(description="Its security level, above the environment's.")
    availability_zone: CloudName = Field(
        description="Availability zone of its own, listed in every region's `availability_zones`; its hosts serve nothing else."
    )
    volume_type: CloudName = Field(
        description="Volume type of its own, on a back end that nothing else uses. It is told apart from those of other enclaves and "
        "stands in the plan of the enclave's tenants; `lz` neither looks for it in the cloud nor keeps anybody to it or from it."
    )


class Bastion(Record):
    """The only way in: one instance per region in the management zone."""

    flavor: CloudName = Field(description="Flavor.")
    image: CloudName = Field(description="Image.")
    user: LoginName = Field(description="Login name that the image makes.")
    admin_networks: tuple[AnyNetwork, ...] = Field(
        min_length=1,
        description="Prefixes from which administrators reach the bastion; an IPv4 prefix of /8 or longer, IPv6 of /16 or longer.",
    )


class Verification(Record):
    """How the landing zone proves itself with packets."""

    probes: Literal["none", "sample", "each-zone"] = Field(
        description="`each-zone`: verify makes one small instance with listeners in the network of every zone of every tenant; "
        "`sample`: of two tenants; `none`: checks that need one cannot be evaluated."
    )
    flavor: CloudName = Field(description="Flavor of the probes.")
    image: CloudName = Field(description="Image of the probes; needs Python 3 and ping.")
    user: LoginName = Field(description="Login name that the image makes.")
    forbidden_port: Port = Field(default=9999, description="Port on which every probe listens, by TCP and UDP, and which no flow permits.")


class Retention(Record):
    """Retention that differs from the level's figure, towards the safer side only."""

    log_retention_days: Positive | None = Field(default=None, description="Days that access and audit records stay searchable.")
    backup_incremental_hours: Positive | None = Field(default=None, description="Hours between two incremental backups.")
    backup_full_days: Positive | None = Field(default=None, description="Days between two full backups.")


class Recovery(Record):
    """Recovery targets that differ from the level's figure, towards the safer side only."""

    rto_minutes: Positive | None = Field(default=None, description="Minutes until service is back after the loss of a region.")
    rpo_minutes: Positive | None = Field(default=None, description="Minutes of data that may be lost.")
    restore_test_interval_days: Positive | None = Field(default=None, description="Days between two restore tests.")
    drill_interval_days: Positive | None = Field(default=None, description="Days between two recovery drills.")
    dr_min_distance_km: Positive | None = Field(default=None, description="Kilometres that the regions of a pair are apart at least.")


OVERRIDES: Mapping[str, type[Record]] = {"retention": Retention, "recovery": Recovery}
"""Sections of an environment whose keys are figures of its level."""


class Federation(Record):
    """The identity provider by which people sign on; provider, mapping and protocol in Keystone are made by whoever runs the cloud."""

    provider: Code = Field(description="Name of the identity provider in the cloud.")
    protocol: Literal["openid", "saml2"] = Field(description="Protocol.")
    issuer: IssuerUrl = Field(description="Issuer of the identity provider: an https address.")


class State(Record):
    """Where the engine keeps its state. Secrets in it are encrypted; no key or password of the backend stands here."""

    backend: Literal["local", "s3", "postgres"] = Field(
        default="local", description="`local`: files below the cache folder; `s3`: a bucket, also of Swift; `postgres`: a database."
    )
    url: BackendUrl | None = Field(
        default=None,
        description="Address of the backend: `s3://BUCKET?endpoint=https://HOST:PORT&region=NAME` (in Swift of an own region, bucket "
        "and access key are made), or `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full` (password by PGPASSFILE).",
    )


class Environment(Record):
    """One deployment of the landing zone: one environment file."""

    code: Code = Field(description="Short name of the environment; first part of every name that it makes.")
    name: Name = Field(description="Name for people.")
    klass: Klass = Field(alias="class", description="Class of government cloud: `central` (CGC), `agency` (AGC) or `enterprise` (EGC).")
    level: Level = Field(description="Information-system security level that the environment is built for.")
    stage: Stage = Field(description="What it is used for; stages share nothing.")
    domain: DnsName = Field(description="DNS domain below which the environment names its zones.")
    country: Country = Field(
        default=COUNTRY,
        description="Country in which all of its data stays (ISO 3166, two letters): every region is there (control STO-01).",
    )
    code_scheme: AsciiText = Field(description="The scheme that the tenants' `dti_code` follow.")
    contacts: tuple[Contact, ...] = Field(min_length=1, description="Who answers for the environment.")
    regions: tuple[Region, ...] = Field(min_length=1, max_length=8, description="Its regions.")
    addressing: Addressing = Field(default_factory=Addressing, description="How supernets are cut.")
    zones: tuple[ZoneName, ...] = Field(default=(), description="Zones beyond those that the level asks for.")
    enclaves: tuple[Enclave, ...] = Field(default=(), description="Parts with a higher level.")
    destinations: tuple[Destination, ...] = Field(default=(), description="Addresses outside that flows may name.")
    shared_services: tuple[SharedService, ...] = Field(default=(), description="Services of the platform that other zones use.")
    flows: tuple[Flow, ...] = Field(default=(), description="Connections that are permitted.")
    bastion: Bastion = Field(description="The way in.")
    federation: Federation | None = Field(
        default=None, description="Identity provider; needed from level 2, that of enclaves counted, and for `people`. Not made by `lz`."
    )
    quota_profiles: tuple[QuotaProfile, ...] = Field(min_length=1, description="Limits that projects refer to.")
    tenant_defaults: TenantDefaults = Field(description="What a tenant has that does not say otherwise.")
    tenants: tuple[Tenant, ...] = Field(
        default=(), max_length=20_000, description="The agencies; may be `!include FILE.yaml`, or `!include FILE.csv` with a row a tenant."
    )
    retention: Retention = Field(default_factory=Retention, description="Retention where it differs from the level's figure.")
    recovery: Recovery = Field(default_factory=Recovery, description="Recovery targets where they differ from the level's figure.")
    verification: Verification = Field(description="How the landing zone proves itself.")
    state: State = Field(default_factory=State, description="Where the engine keeps its state.")

    def figure(self, key: str, level: int | None = None) -> int | None:
        """The parameter `key` at `level`, by default the environment's own, where no override is set. Raises KeyError if unknown."""
        figure = figures()[key].at(level or self.level)
        own = getattr(self.retention, key, getattr(self.recovery, key, None))
        if not isinstance(own, int) or (figure is not None and not figures()[key].allows(level or self.level, own)):
            return figure
        return own

    @property
    def highest_level(self) -> int:
        """The highest level of anything in it, its enclaves counted: what a region as a whole has to meet."""
        return max([self.level, *(enclave.level for enclave in self.enclaves)])

    @property
    def zone_names(self) -> tuple[str, ...]:
        """All zones of the environment, in the order of the catalogue: those of the level and those declared."""
        wanted = {*zones_of(self.level), *self.zones}
        return tuple(name for name in zones() if name in wanted)

    def zones_for(self, tenant: Tenant) -> tuple[str, ...]:
        """The zones of a tenant, in the order of the catalogue."""
        wanted = tenant.zones or self.tenant_defaults.zones
        return tuple(name for name in zones() if name in wanted)

    def projects_for(self, tenant: Tenant) -> tuple[Project, ...]:
        """The workload projects of a tenant."""
        return tenant.projects or self.tenant_defaults.projects

    def groups_for(self, tenant: Tenant) -> tuple[Group, ...]:
        """The groups of a tenant."""
        return tenant.groups or self.tenant_defaults.groups

    def regions_for(self, tenant: Tenant) -> tuple[str, ...]:
        """Names of the regions in which a tenant has resources."""
        return tenant.regions or tuple(region.name for region in self.regions)

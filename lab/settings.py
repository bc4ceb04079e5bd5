"""What the lab is made of: its regions, their addresses, the ports of its services, and where its files lie."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from foundation.places import cache_root

# RFC 2544 benchmark range: never routed on the Internet, and not used by office networks.
LAB_RANGE = IPv4Network("198.18.0.0/15")
WAN = IPv4Network("198.18.255.0/30")

# Seconds until a service that does not answer is given up: forty daemons start in one minute on two idle cores, and in more than
# three where others are at work.
PATIENCE = 600.0


@dataclass(frozen=True)
class Service:
    """An API of a region. port: on which HAProxy serves it by TLS and the service itself listens on loopback.

    path: what follows host and port in the catalogue ("%(project_id)s" is Keystone's own placeholder).
    probe: a path that answers 2xx or 3xx without a token when the service works.
    """

    name: str
    kind: str
    port: int
    path: str
    probe: str = "/"
    unit: str = ""


SERVICES = (
    Service("keystone", "identity", 5000, "/v3", "/v3", "keystone"),
    Service("glance", "image", 9292, "", "/healthcheck", "glance-api"),
    Service("placement", "placement", 8778, "", "/", "placement-api"),
    Service("nova", "compute", 8774, "/v2.1", "/", "nova-api"),
    Service("neutron", "network", 9696, "", "/", "neutron-api"),
    Service("cinder", "block-storage", 8776, "/v3", "/", "cinder-api"),
    Service("swift", "object-store", 8080, "/v1/AUTH_%(project_id)s", "/healthcheck", "swift-proxy"),
    Service("octavia", "load-balancer", 9876, "", "/", "octavia-api"),
    Service("barbican", "key-manager", 9311, "", "/", "barbican-api"),
    Service("designate", "dns", 9001, "", "/", "designate-api"),
)
OPENSTACK = tuple(service.name for service in SERVICES)
SERVICE_USERS = tuple(name for name in OPENSTACK if name != "keystone")  # which signs in to nobody


@dataclass(frozen=True)
class Region:
    """One region: `index` (0, 1) fixes every address. Each owns a /20 of the lab range."""

    name: str
    index: int

    @property
    def block(self) -> IPv4Network:
        """All addresses of the region."""
        return list(IPv4Network("198.18.0.0/17").subnets(new_prefix=20))[self.index]

    @property
    def link(self) -> IPv4Network:
        """Transfer network between the host (first address) and the machine (second, which is the API address)."""
        return IPv4Network((self.block.network_address, 30))

    @property
    def host_side(self) -> IPv4Interface:
        return IPv4Interface((self.link[1], 30))

    @property
    def api(self) -> IPv4Address:
        """The address on which the region's endpoints are reached."""
        return self.link[2]

    @property
    def floating(self) -> IPv4Network:
        """The external network `public`; its first address is the machine's own."""
        return IPv4Network((self.block.network_address + 256, 24))

    @property
    def wan(self) -> IPv4Interface:
        """The region's end of the line to the other region."""
        return IPv4Interface((WAN[1 + self.index], 30))

    @property
    def netns(self) -> str:
        return f"lz-{self.name}"

    @property
    def host_link(self) -> str:
        """Name of the host's end of the veth pair."""
        return f"lz-{self.name}"

    def url(self, service: Service) -> str:
        """Public endpoint, as it stands in the catalogue."""
        return f"https://{self.api}:{service.port}{service.path}"


REGIONS = {name: Region(name, index) for index, name in enumerate(("north", "south"))}

CODE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Places:
    """Files of the lab, all below the cache. What is below `region()` goes with `lz lab down`."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "lab.lock"

    @property
    def marker(self) -> Path:
        """JSON about the lab that stands: which code made it, with which regions and compute kind."""
        return self.root / "lab.json"

    @property
    def clouds(self) -> Path:
        return self.root / "clouds.yaml"

    @property
    def ca(self) -> Path:
        return self.root / "ca.pem"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def base(self, digest: str) -> Path:
        """Tree of installed packages."""
        return self.root / "base" / digest[:16]

    def seed(self, digest: str) -> Path:
        """Layer on the base tree: configuration without secrets and databases with schemas."""
        return self.root / "seed" / digest[:16]

    def region(self, region: Region) -> Path:
        return self.root / "regions" / region.name


def places() -> Places:
    return Places(cache_root() / "lab")

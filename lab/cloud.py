"""What a fresh region's cloud holds before any landing zone: service users, catalogue, flavors, volume type, image, outer network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import yaml
from openstack.connection import Connection
from tenacity import retry, stop_after_delay, wait_fixed

from foundation import files, proxies, scs, stopping
from lab.image import GuestImage
from lab.settings import LAB_RANGE, PATIENCE, REGIONS, SERVICE_USERS, SERVICES, Places, Region, Service

EXTRA_ROLES = ("service", "ResellerAdmin", "creator", "load-balancer_member", "load-balancer_admin", "load-balancer_observer")

# scs-0103-v1: the mandatory flavors, and those recommended ones with a root disk that images of this lab need.
# Names after scs-0100-v3: V = virtual core (dedicated or shared), L = low performance; then GiB of memory, then GB of disk.
FLAVORS = (
    "SCS-1L-1", "SCS-1L-1-5", "SCS-1V-2", "SCS-1V-2-5", "SCS-1V-4", "SCS-1V-4-10", "SCS-1V-8", "SCS-1V-8-20",
    "SCS-2V-4", "SCS-2V-4-10", "SCS-2V-4-20s", "SCS-2V-8", "SCS-2V-8-20", "SCS-2V-16", "SCS-2V-16-50",
    "SCS-4V-8", "SCS-4V-8-20", "SCS-4V-16", "SCS-4V-16-50", "SCS-4V-16-100s", "SCS-4V-32", "SCS-4V-32-100",
    "SCS-8V-16", "SCS-8V-16-50", "SCS-8V-32", "SCS-8V-32-100", "SCS-16V-32", "SCS-16V-32-100",
)  # fmt: skip
FLAVOR_NAME = re.compile(r"SCS-(?P<cpus>\d+)(?P<kind>[LV])-(?P<ram>\d+)(?:-(?P<disk>\d+)(?P<ssd>s?))?")


@dataclass(frozen=True)
class Flavor:
    """name; cpus; ram in MiB; disk in GB (0: boot from volume); specs as scs-0103 asks them."""

    name: str
    cpus: int
    ram: int
    disk: int
    specs: dict[str, str]


def flavor(name: str) -> Flavor:
    """Read a flavor out of its SCS name. Raises ValueError for a name of another form."""
    match = FLAVOR_NAME.fullmatch(name)
    if not match:
        raise ValueError(f"{name} is not an SCS flavor name")
    specs = {
        "scs:name-v1": "SCS-" + name.removeprefix("SCS-").replace("-", ":"),
        "scs:name-v2": name,
        "scs:cpu-type": "crowded-core" if match["kind"] == "L" else "shared-core",
    }
    if match["disk"]:
        specs["scs:disk0-type"] = "ssd" if match["ssd"] else "network"
    return Flavor(name, int(match["cpus"]), int(match["ram"]) * 1024, int(match["disk"] or 0), specs)


def write_clouds_yaml(places: Places, passwords: dict[str, str]) -> None:
    """clouds.yaml with one administrator entry per region that stands; passwords: region -> password."""
    clouds = {
        f"lab-{name}": {
            "auth": {
                "auth_url": f"https://{REGIONS[name].api}:5000/v3", "username": "admin", "password": password, "project_name": "admin",
                "user_domain_name": "Default", "project_domain_name": "Default",
            },
            "region_name": name,
            "cacert": str(places.ca),
            "identity_api_version": 3,
        }
        for name, password in sorted(passwords.items())
    }  # fmt: skip
    files.replace(places.clouds, yaml.safe_dump({"clouds": clouds}, sort_keys=True))


def connect(region: Region, places: Places) -> Connection:
    """A connection as the region's administrator, which no proxy of this machine takes part in."""
    os.environ.update(proxies.past(str(LAB_RANGE)))
    config = openstack.config.OpenStackConfig(config_files=[str(places.clouds)], load_envvars=False)
    return openstack.connection.Connection(config=config.get_one(cloud=f"lab-{region.name}"))


@retry(stop=stop_after_delay(PATIENCE), wait=wait_fixed(1), sleep=stopping.pause, reraise=True)
def await_identity(cloud: Connection) -> None:
    """Wait until Keystone gives the administrator a token. Raises its last refusal."""
    cloud.authorize()


def register_services(cloud: Connection, region: Region, secrets: dict[str, str]) -> None:
    """Roles, service users and the catalogue; what is there already stays."""
    identity: Any = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    for name in EXTRA_ROLES:
        roles[name] = roles.get(name) or identity.create_role(name=name)
    project = identity.find_project("service", domain_id="default") or identity.create_project(name="service", domain_id="default")
    for name in SERVICE_USERS:
        user = identity.find_user(name) or identity.create_user(name=name, password=secrets[f"user_{name}"], domain_id="default")
        for role in ("admin", "service"):
            identity.assign_project_role_to_user(project, user, roles[role])
    admin = identity.find_user("admin")
    admin_project = identity.find_project("admin", domain_id="default")
    for role in ("creator", "load-balancer_admin", "member", "ResellerAdmin"):
        identity.assign_project_role_to_user(admin_project, admin, roles[role])
    known = {service.name: service for service in identity.services()}
    endpoints = {(entry.service_id, entry.interface) for entry in identity.endpoints()}
    for service in SERVICES:
        if service.name == "keystone":
            continue
        entry = known.get(service.name) or identity.create_service(name=service.name, type=service.kind)
        for interface, url in _urls(region, service).items():
            if (entry.id, interface) not in endpoints:
                identity.create_endpoint(service_id=entry.id, interface=interface, url=url, region_id=region.name)


def _urls(region: Region, service: Service) -> dict[str, str]:
    """Services of the machine talk over its loopback; everybody else by TLS."""
    return {"public": region.url(service), "internal": f"http://127.0.0.1:{service.port}{service.path}"}


def close_default_rules(cloud: Connection) -> None:
    """New default security groups open nothing: the templates that Neutron would copy into them are removed."""
    network: Any = cloud.network
    for rule in list(network.default_security_group_rules()):
        network.delete_default_security_group_rule(rule)
    identity: Any = cloud.identity
    for name in ("admin", "service"):
        project = identity.find_project(name, domain_id="default")
        # Asking for a project's groups makes its default one; else the first instance would, and look like something left behind.
        for group in network.security_groups(project_id=project.id):
            for rule in group.security_group_rules:
                network.delete_security_group_rule(rule["id"])


def ensure_outer_network(cloud: Connection, region: Region) -> None:
    """The external network `public` with the region's floating addresses."""
    network: Any = cloud.network
    outer = network.find_network("public") or network.create_network(
        name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="external"
    )
    if not network.find_subnet("public-v4"):
        addresses = region.floating
        network.create_subnet(
            network_id=outer.id, name="public-v4", ip_version=4, cidr=str(addresses), gateway_ip=str(addresses[1]), is_dhcp_enabled=False,
            allocation_pools=[{"start": str(addresses[10]), "end": str(addresses[250])}],
        )  # fmt: skip


def ensure_flavors(cloud: Connection) -> None:
    """Every flavor of FLAVORS, with what scs-0103 asks; one that is there stays."""
    compute: Any = cloud.compute
    known = {entry.name for entry in compute.flavors()}
    for name in FLAVORS:
        if name in known:
            continue
        wanted = flavor(name)
        made = compute.create_flavor(name=name, ram=wanted.ram, vcpus=wanted.cpus, disk=wanted.disk, id=name)
        compute.create_flavor_extra_specs(made, wanted.specs)


def ensure_volume_type(cloud: Connection) -> None:
    """The volume type `standard`; one that is there stays."""
    storage: Any = cloud.block_storage
    if not storage.find_type("standard"):
        storage.create_type(name="standard", extra_specs={"volume_backend_name": "nfs"})


def publish_guest(cloud: Connection, guest: GuestImage) -> None:
    """Offer the guest image: kernel and initrd for direct boot, then the disk that names them."""
    parts = {"kernel": ("aki", guest.kernel), "ramdisk": ("ari", guest.initrd)}
    told = {**guest.properties, "min_disk": guest.min_disk, "min_ram": guest.min_ram}
    of_part = {**told, "os_purpose": scs.CUSTOM}  # scs-0102 asks the same of every public image, and knows one that is generic
    ids = {
        f"{part}_id": _ensure_image(cloud, f"{guest.name}-{part}", file, guest.digest, form, form, of_part)
        for part, (form, file) in parts.items()
    }
    _ensure_image(cloud, guest.name, guest.disk, guest.digest, "qcow2", "bare", {**told, **ids})


def _ensure_image(
    cloud: Connection, name: str, file: Path, digest: str, disk_format: str, container_format: str, attributes: Mapping[str, Any]
) -> str:
    """Upload `file` under `name` unless an image of that name and digest is there; returns its id."""
    image: Any = cloud.image
    for entry in image.images(name=name):
        if entry.status == "active" and (entry.properties or {}).get("lz_digest") == digest:
            return str(entry.id)
        image.delete_image(entry)
    made = image.create_image(
        name, filename=str(file), wait=True, visibility="public", disk_format=disk_format, container_format=container_format,
        lz_digest=digest, **attributes,
    )  # fmt: skip
    return str(made.id)

"""A shipped environment on the lab: the same environment with only the lab's clouds, flavors, images and entry in it."""

from __future__ import annotations

from ipaddress import ip_network

from landing_zone.model.environment import Environment

LAB_CLOUDS = ("lab-north", "lab-south")
_LAB_REGIONS = ("north", "south")  # what those clouds call their region
LAB_ADMINISTRATORS = ip_network("198.18.0.0/15")
"""The prefix that the machine of the lab reaches it from."""

_EXTERNAL_NETWORK = "public"
_AVAILABILITY_ZONE = "nova"
_FLAVOR = "SCS-1L-1-5"
_IMAGE = "debian-13"
_USER = "debian"


def on_lab(environment: Environment) -> Environment:
    """The environment with its regions, in their order, on the lab's clouds and with their names; others are left out.

    Its stage is the lab, which is made anew often. Identities, networks, quotas and flows stay as they are; instances take the
    lab's small flavor, and probes run for a sample of tenants. An enclave's hosts are not its own there: what needs them
    (control CMP-12) cannot be shown.
    """
    here = {"flavor": _FLAVOR, "image": _IMAGE, "user": _USER}
    names = {region.name: name for region, name in zip(environment.regions, _LAB_REGIONS, strict=False)}
    ours = {"cloud_region": None, "external_network": _EXTERNAL_NETWORK, "availability_zones": (_AVAILABILITY_ZONE,)}
    regions = tuple(
        region.model_copy(update={**ours, "name": names[region.name], "cloud": cloud, "counterpart": names.get(region.counterpart or "")})
        for region, cloud in zip(environment.regions, LAB_CLOUDS, strict=False)
    )
    tenants = tuple(
        tenant.model_copy(update={"regions": tuple(names[name] for name in tenant.regions if name in names)})
        for tenant in environment.tenants
        if not tenant.regions or names.keys() & set(tenant.regions)
    )
    probes = "none" if environment.verification.probes == "none" else "sample"
    return environment.model_copy(
        update={
            "stage": "lab",
            "regions": regions,
            "tenants": tenants,
            "enclaves": tuple(enclave.model_copy(update={"availability_zone": _AVAILABILITY_ZONE}) for enclave in environment.enclaves),
            "bastion": environment.bastion.model_copy(update={**here, "admin_networks": (LAB_ADMINISTRATORS,)}),
            "verification": environment.verification.model_copy(update={**here, "probes": probes}),
            "state": environment.state.model_copy(update={"backend": "local", "url": None}),
        }
    )

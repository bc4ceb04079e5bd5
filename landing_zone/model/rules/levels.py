"""What the security level prescribes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from landing_zone.model.complaints import Finding
from landing_zone.model.environment import OVERRIDES, Environment
from landing_zone.model.levels import figures


def overrides(environment: Environment) -> Iterator[Finding]:
    """A value of the environment's own is never weaker than the level's figure."""
    for section in OVERRIDES:
        for key, value in getattr(environment, section):
            figure = figures()[key]
            if value is None or figure.allows(environment.level, value):
                continue
            prescribed = figure.at(environment.level)
            side = "at least" if figure.better == "more" else "at most"
            yield Finding(
                (section, key),
                f"{key} is below the figure of level {environment.level}",
                f"{figure.title}: {prescribed} (control {figure.control}). Source: {figure.source}",
                f"write {side} {prescribed}, or remove the key to get {prescribed}",
            )


def tenants(environment: Environment) -> Iterator[Finding]:
    """A tenant's level is at most that of where it runs."""
    enclaves = {enclave.code: enclave for enclave in environment.enclaves}
    for index, tenant in enumerate(environment.tenants):
        path = ("tenants", index)
        if tenant.enclave is not None and tenant.enclave not in enclaves:
            known = ", ".join(sorted(enclaves)) or "none"
            yield Finding(
                (*path, "enclave"), f"enclave {tenant.enclave!r} is not declared", f"declared: {known}", "declare it in `enclaves`"
            )
        elif tenant.enclave is not None and tenant.level > enclaves[tenant.enclave].level:
            why = f"enclave {tenant.enclave} has level {enclaves[tenant.enclave].level}"
            yield Finding(
                (*path, "level"), "the tenant's level is above that of its enclave", why, "lower the level, or name another enclave"
            )
        elif tenant.enclave is None and tenant.level > environment.level:
            why = f"the environment has level {environment.level} (control OPS-01)"
            yield Finding(
                (*path, "level"),
                "the tenant's level is above its environment's",
                why,
                "name an enclave of that level, or another environment",
            )


def enclaves(environment: Environment) -> Iterator[Finding]:
    """An enclave has a higher level than the environment, and hosts that exist in every region and serve nothing else."""
    for index, enclave in enumerate(environment.enclaves):
        if enclave.level <= environment.level:
            why = f"the environment has level {environment.level}"
            yield Finding(
                ("enclaves", index, "level"),
                "the enclave's level is not above the environment's",
                why,
                "raise its level, or remove the enclave",
            )
        for region in environment.regions:
            path = ("enclaves", index, "availability_zone")
            if enclave.availability_zone not in region.availability_zones:
                why = f"region {region.name} has {', '.join(region.availability_zones)}"
                yield Finding(
                    path,
                    f"region {region.name} has no availability_zone {enclave.availability_zone!r}",
                    why,
                    "add it to the region's availability_zones",
                )
            elif enclave.availability_zone == region.availability_zones[0]:
                why = f"it is the first of region {region.name}, where the platform itself runs (control CMP-12)"
                yield Finding(path, "the availability_zone of an enclave serves others too", why, "name a zone of its own")


def federation(environment: Environment) -> Iterator[Finding]:
    """People sign on by an identity provider where the highest level in the environment asks for it, and wherever people are named."""
    if environment.federation is not None:
        return
    level = environment.highest_level
    if environment.figure("federated_sign_on", level):
        source = figures()["federated_sign_on"].source
        yield Finding(
            ("federation",),
            "the key 'federation' is missing",
            f"level {level} asks for it. Source: {source}",
            "add federation: with provider, protocol and issuer",
        )
    for index, tenant in enumerate(environment.tenants):
        if tenant.people:
            cure = "add federation: to the environment, or leave people to it"
            yield Finding(("tenants", index, "people"), "people need an identity provider", "the environment has no `federation`", cure)


RULES: tuple[Callable[[Environment], Iterator[Finding]], ...] = (overrides, tenants, enclaves, federation)

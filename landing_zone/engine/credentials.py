"""Application credentials of tenants: made by the tenant's own machine account, kept in files that can be handed on.

Keystone lets only the account itself make one, and tells its secret once. So they are no part of a stack, and no secret of
theirs is in a state: `lz up` makes them when the tenant stands, and makes them anew before they end. A file a tenant and
region, in the form of clouds.yaml, is the only place that has the secret. What a killed run has made without writing it there
is removed by the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation import files
from foundation.errors import LzError, Problem, raise_all
from landing_zone.engine import clouds
from landing_zone.engine.clouds import READING, keystone
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import CredentialSpec, MachineUserSpec, RegionPlan, TenantPlan
from landing_zone.planners.shares import TENANT
from stacks.inputs import password_name

LIFETIME = timedelta(days=90)
RENEW = timedelta(days=30)  # before the end: so long `lz up` may be late
STAMP = "%Y%m%dT%H%M%S%fZ"
ENDS = "%Y-%m-%dT%H:%M:%SZ"
METHODS: Mapping[str, tuple[str, ...]] = {"reader": READING, "member": (*READING, "POST", "PUT", "PATCH", "DELETE")}
# What a program of a tenant works with. Identity is not among them: a credential cannot make another, or change who may do what.
SERVICES = ("compute", "network", "block-storage", "volumev3", "image", "object-store", "load-balancer", "dns", "key-manager")
AT_ONCE = 4  # tenants
NOTE = "landing_zone"  # what we keep of an entry beside what clients read


@dataclass(frozen=True)
class Credential:
    """One that is kept: `name` as in its file, ids of itself and its account, and when it ends."""

    name: str
    id: str
    user: str
    ends: datetime
    secret: str = field(repr=False)


def ensure(run: Run, keys: Iterable[StackKey], *, rotate: bool = False, look: bool = False) -> None:
    """Make what tenants' stacks that stand lack: what is missing, ends soon, or belongs to an account that is gone.

    rotate: all of them anew; the old ones end at once. look: ask the cloud whether those of the files are still there.
    LzError with every tenant for which it did not work.
    """
    wanted = list(tenants(run, keys))
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        problems = pool.map(lambda one: _try(run, *one, rotate=rotate, look=look), wanted)
    raise_all((problem for problem in problems if problem is not None), LzError)


def tenants(run: Run, keys: Iterable[StackKey]) -> Iterable[tuple[RegionPlan, TenantPlan]]:
    """The tenants among stacks that are planned and stand."""
    stands = run.stacks.standing()
    for key in keys:
        region = run.plan.regions.get(key.region)
        tenant = region.tenants.get(key.layer.removeprefix(TENANT)) if region and key.layer.startswith(TENANT) else None
        if region and tenant and key.name in stands:
            yield region, tenant


def file_of(home: Home, region: str, tenant: str) -> Path:
    """The file of a tenant's credentials in a region."""
    return home.credentials(region) / f"{tenant}.yaml"


def kept(path: Path) -> dict[str, Credential]:
    """The credentials of a file by name; none when there is no such file. LzError when it cannot be read."""
    if not path.exists():
        return {}
    try:
        return {name: _credential(name, entry) for name, entry in yaml.safe_load(path.read_text())["clouds"].items()}
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        why = type(error).__name__  # its text may quote the file, which has secrets
        cure = "remove the file: `lz credentials` makes new ones, and ends the old ones"
        raise LzError(Problem("a file of application credentials cannot be read", where=str(path), why=why, cure=cure)) from None


def access_rules(role: str) -> list[dict[str, str]]:
    """What a credential of that role may call, as Keystone takes it."""
    return [{"service": service, "method": method, "path": "/**"} for service in SERVICES for method in METHODS[role]]


def forget(home: Home, key: StackKey) -> None:
    """Remove the file of a tenant whose stack was removed; Keystone has removed the credentials with their account."""
    if key.layer.startswith(TENANT):
        file_of(home, key.region, key.layer.removeprefix(TENANT)).unlink(missing_ok=True)


def as_machine(run: Run, region: RegionPlan, user: MachineUserSpec, project: str) -> Connection:
    """A connection as a machine account, in one of its projects."""
    return clouds.connect(
        run.clouds[region.cloud],
        region.cloud_region,
        username=user.name,
        password=run.stacks.home.secret(password_name(region.name, user.name)),
        user_domain_name=user.domain,
        project_name=project,
        project_domain_name=user.domain,
    )


def _credential(name: str, entry: Mapping[str, Any]) -> Credential:
    return Credential(
        name,
        entry["auth"]["application_credential_id"],
        entry[NOTE]["user"],
        datetime.strptime(entry[NOTE]["ends"], ENDS).replace(tzinfo=UTC),
        entry["auth"]["application_credential_secret"],
    )


def _try(run: Run, region: RegionPlan, tenant: TenantPlan, *, rotate: bool, look: bool) -> Problem | None:
    try:
        _ensure(run, region, tenant, rotate=rotate, look=look)
    except LzError as error:
        return error.problems[0]
    except (SDKException, ClientException) as error:
        return Problem(
            f"the application credentials of {tenant.code} could not be made",
            where=f"region {region.name}, account {tenant.identity.machine_users[0].name}",
            why=f"{type(error).__name__}: {error}",
            cure=f"look at the account (lz drift --env {run.plan.called} --tenant {tenant.code}), then run the same command again",
        )
    return None


def _ensure(run: Run, region: RegionPlan, tenant: TenantPlan, *, rotate: bool, look: bool) -> None:
    path = file_of(run.stacks.home, region.name, tenant.code)
    have, wanted = kept(path), {spec.name: spec for spec in tenant.identity.credentials}
    user = tenant.identity.machine_users[0]
    user_id = _account(run, region, tenant, user)
    good = {name: one for name, one in have.items() if name in wanted and one.user == user_id and one.ends - datetime.now(UTC) > RENEW}
    if good.keys() == wanted.keys() == have.keys() and not (rotate or look):
        _write(run, region, path, good)
        return
    connections = {project: as_machine(run, region, user, project) for project in {spec.project for spec in wanted.values()}}
    any_of_them = next(iter(connections.values()))
    there = {one.id: one.name for one in keystone(any_of_them).application_credentials(user_id)}
    good = {} if rotate else {name: one for name, one in good.items() if one.id in there}
    made = {name: _make(connections[spec.project], spec, user_id) for name, spec in wanted.items() if name not in good}
    _write(run, region, path, {**good, **made}, quiet=bool(made))  # what was made is told below
    current = {one.id for one in (*good.values(), *made.values())}
    before = {one.id for one in have.values()}
    for identity, name in there.items():
        if identity not in current and (identity in before or ours(name, wanted)):
            keystone(any_of_them).delete_application_credential(user_id, identity)
    if made:
        run.say(f"{region.name}: made the application credentials {', '.join(sorted(made))}: {path}")


def _account(run: Run, region: RegionPlan, tenant: TenantPlan, user: MachineUserSpec) -> str:
    """The id of a tenant's machine account. LzError when its stack does not give it out: it does so when it is made in full."""
    key = StackKey(run.plan.code, region.name, f"{TENANT}{tenant.code}")
    known = run.stacks.outputs(key).get("ids", {}).get("machine-user", {})
    if user.name not in known:
        why = f"an earlier run failed or was stopped before the account {user.name} was there"
        cure = f"lz up --env {run.plan.called} --region {region.name} --tenant {tenant.code}, then run the same command again"
        raise LzError(Problem(f"tenant {tenant.code} is not made in full", f"region {region.name}, stack {key.name}", why, cure))
    return str(known[user.name])


def ours(name: str, wanted: Iterable[str]) -> bool:
    """Whether a name in the cloud is one that we give."""
    whole = re.fullmatch(r"(.+)-\d{8}T\d{12}Z", name)
    return whole is not None and whole.group(1) in set(wanted)


def _make(connection: Connection, spec: CredentialSpec, user: str) -> Credential:
    """Its name in the cloud ends with the time, so that an old and a new one can stand side by side."""
    now = datetime.now(UTC)
    ends = (now + LIFETIME).replace(microsecond=0)
    made = keystone(connection).create_application_credential(
        user,
        f"{spec.name}-{now.strftime(STAMP)}",
        description=f"{spec.role} of {spec.project}",
        roles=[{"name": spec.role}],
        unrestricted=False,
        expires_at=ends.strftime(ENDS),
        access_rules=access_rules(spec.role),
    )
    return Credential(spec.name, made.id, user, ends, made.secret)


def _write(run: Run, region: RegionPlan, path: Path, entries: Mapping[str, Credential], *, quiet: bool = False) -> None:
    """Write the file, with the authority beside it, unless they are right: the cloud may be elsewhere than when they were written."""
    cloud = run.clouds[region.cloud]
    authority = path.with_name("ca.pem")
    common: dict[str, Any] = {"auth_type": "v3applicationcredential", "region_name": region.cloud_region, "identity_api_version": "3"}
    if cloud.ca:
        common["cacert"] = str(authority)
    content = {
        name: {
            **common,
            "auth": {
                "auth_url": cloud.auth_url,
                "application_credential_id": one.id,
                "application_credential_secret": one.secret,
            },
            NOTE: {"user": one.user, "ends": one.ends.strftime(ENDS)},
        }
        for name, one in sorted(entries.items())
    }
    texts = {authority: cloud.ca, path: yaml.safe_dump({"clouds": content}, sort_keys=False)}
    for file, text in texts.items():
        before = file.read_text() if file.exists() else ""
        if text and text != before:
            files.replace(file, text)
            if before and not quiet:
                run.say(f"{region.name}: wrote {file} anew, for the cloud at {cloud.auth_url}: hand it on again")

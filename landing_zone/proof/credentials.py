"""Tenants' application credentials as the cloud has them: each far enough from its end, and none that may more or less than is planned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation.errors import LzError
from landing_zone.engine.clouds import keystone
from landing_zone.engine.credentials import RENEW, Credential, access_rules, file_of, kept
from landing_zone.engine.home import Home
from landing_zone.planners.plan import CredentialSpec, TenantPlan
from landing_zone.proof.isolation import Ids
from landing_zone.proof.results import Result, Verdict

WITHIN = {"member": {"member", "reader"}, "reader": {"reader"}}  # Keystone also names the roles that one implies
Seen = tuple[Verdict, str]


def check_tenant(connection: Connection, home: Home, region: str, tenant: TenantPlan, ids: Ids) -> Iterator[Result]:
    """Two results for each planned credential: its life (CRY-04) and its bounds (IAM-05).

    connection: the operator's. ids: what the tenant's stack gives out. Judged by what the cloud says of the credential that
    the tenant's file names; the dates in the file prove nothing.
    """
    try:
        recorded = kept(file_of(home, region, tenant.code))
        there = _there(connection, tenant, ids)
    except (LzError, SDKException, ClientException) as error:
        unknown = Verdict.UNKNOWN, _why(error)
        yield from (result for spec in tenant.identity.credentials for result in _pair(region, tenant, spec, unknown, unknown))
        return
    for spec in tenant.identity.credentials:
        yield from _pair(region, tenant, spec, *_judged(spec, recorded.get(spec.name), there, ids))


def _why(error: Exception) -> str:
    if isinstance(error, LzError):
        return "; ".join(f"{one.what} {one.where}".strip() for one in error.problems)
    return f"{type(error).__name__}: {error}"


def _there(connection: Connection, tenant: TenantPlan, ids: Ids) -> Mapping[str, Any]:
    """All credentials of the tenant's machine account, by id. LzError when no account is known."""
    name = tenant.identity.machine_users[0].name
    user = ids.get("machine-user", {}).get(name)
    if user is None:
        raise LzError(f"the state knows no account {name}")
    return {one.id: one for one in keystone(connection).application_credentials(user)}


def _pair(region: str, tenant: TenantPlan, spec: CredentialSpec, life: Seen, bounds: Seen) -> Iterator[Result]:
    what = f"{tenant.code}: application credential {spec.name}"
    yield Result("CRY-04", region, f"{what} ends in more than {RENEW.days} days", *life)
    yield Result("IAM-05", region, f"{what} may what a {spec.role} of {spec.project} may, and no more", *bounds)


def _judged(spec: CredentialSpec, recorded: Credential | None, there: Mapping[str, Any], ids: Ids) -> tuple[Seen, Seen]:
    if recorded is None:
        unknown = Verdict.UNKNOWN, "the tenant's file on this machine has none of that name"
        return unknown, unknown
    one = there.get(recorded.id)
    if one is None:
        gone = f"{recorded.id} is in the tenant's file and not in the cloud"
        return (Verdict.FAIL, gone), (Verdict.UNKNOWN, gone)
    otherwise = list(_otherwise(spec, one, ids))
    bounds = (Verdict.FAIL, "; ".join(otherwise)) if otherwise else (Verdict.PASS, "restricted, with an end, its role and rules as planned")
    return _life(one.expires_at, datetime.now(UTC)), bounds


def _life(expires_at: str | None, now: datetime) -> Seen:
    if not expires_at:
        return Verdict.FAIL, "it never ends"
    ends = datetime.fromisoformat(expires_at).replace(tzinfo=UTC)  # Keystone's times are UTC and do not say so
    if ends <= now:
        return Verdict.FAIL, f"it ended on {ends:%Y-%m-%d}"
    verdict = Verdict.PASS if ends - now > RENEW else Verdict.FAIL
    return verdict, f"it ends in {(ends - now).days} days, on {ends:%Y-%m-%d}"


def _otherwise(spec: CredentialSpec, one: Any, ids: Ids) -> Iterator[str]:
    """In what a credential of the cloud goes beyond its plan, or falls short of it."""
    if one.unrestricted is not False:
        yield "it is not restricted: it can make other credentials"
    if not one.expires_at:
        yield "it has no end"
    if one.project_id != ids.get("project", {}).get(spec.project):
        yield f"it is of another project: {one.project_id}"
    roles = {role["name"] for role in one.roles}
    if roles - WITHIN[spec.role]:
        yield f"it has the role {', '.join(sorted(roles - WITHIN[spec.role]))}"
    if spec.role not in roles:
        yield f"it lacks the role {spec.role}"
    if not one.access_rules:
        yield "it has no access rules: it can call everything"
        return
    found, planned = _rules(one.access_rules), _rules(access_rules(spec.role))
    for may, calls in (("may", found - planned), ("may not", planned - found)):
        if calls:
            yield f"it {may} call {', '.join(sorted(calls))}"


def _rules(rules: Iterable[Mapping[str, str]]) -> set[str]:
    return {f"{rule['service']} {rule['method']} {rule['path']}" for rule in rules}

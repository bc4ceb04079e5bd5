"""Domains, projects, accounts, grants and quotas, as facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from landing_zone.drift.facts import Fact, grant_name, of_owner, texts
from landing_zone.drift.live.view import View
from landing_zone.engine import limits
from landing_zone.planners.shares import TENANT

QUOTAS = ("compute", "network", "block-storage", "load-balancer", "dns", *limits.READERS)


def domains(view: View) -> Iterator[Fact]:
    for one in view.all("domains"):
        maker = view.ours.domains.get(view.domains[one.id])
        if maker:
            yield view.fact("domain", one.name, maker, one.id, description=one.description, enabled=one.is_enabled)


def projects(view: View) -> Iterator[Fact]:
    for one in view.all("projects"):
        domain = view.homes[one.id]
        if domain not in view.ours.domains and one.id not in view.known:
            continue
        yield view.fact(
            "project",
            view.shown(one, view.projects),
            view.maker("project", one.id) or "",
            one.id,
            domain=domain,
            description=one.description,
            enabled=one.is_enabled,
            tags=texts(one.tags),
        )


def users(view: View) -> Iterator[Fact]:
    """Accounts of machines, and in the platform's own domain all others too."""
    for one in view.all("users"):
        domain = view.homes[one.id]
        maker = view.ours.domains.get(domain)
        ours = (domain, one.name) in view.ours.machine_users or one.id in view.known
        if ours or (maker and not maker.startswith(TENANT)):
            name = view.shown(one, view.users)
            yield view.fact("user", name, maker or "", one.id, domain=domain, description=one.description, enabled=one.is_enabled)


def groups(view: View) -> Iterator[Fact]:
    for one in view.all("groups"):
        domain = view.homes[one.id]
        maker = view.ours.domains.get(domain)
        if maker or one.id in view.known:
            yield view.fact("group", view.shown(one, view.groups), maker or "", one.id, domain=domain, description=one.description)


def members(view: View) -> Iterator[Fact]:
    """Who is in our groups. In a tenant's groups of people, people of its own domain come and go without us."""
    for group_id, user in view.all("members"):
        group, home = view.groups[group_id], view.homes[group_id]
        maker = view.ours.domains[home]
        of_same = view.domains.get(user.domain_id) == home
        if of_same and maker.startswith(TENANT) and group not in view.ours.machine_groups:
            continue
        name = f"{view.users.get(user.id, user.id)} in {group}"
        yield Fact("group membership", name, view.layer("group membership", maker), {}, "", group_id, {"group": group_id, "user": user.id})


def grants(view: View) -> Iterator[Fact]:
    """Every assignment in our domains and projects, and every one, wherever, of our groups and machine accounts."""
    for one in view.all("assignments"):
        actor = "group" if one.group else "user"
        actor_id = (one.group or one.user)["id"]
        scope = next(word for word in ("project", "domain", "system") if word in one.scope)
        target_id = "" if scope == "system" else one.scope[scope]["id"]
        maker = view.maker(scope, target_id) or view.maker_of_holder(actor, actor_id)
        if maker is None or target_id in view.dropped:
            continue
        inherited = "OS-INHERIT:inherited_to" in one.scope
        target = view.project(target_id) if scope == "project" else view.domains.get(target_id, target_id)
        holder = f"{actor} {(view.groups if one.group else view.users).get(actor_id, actor_id)}"
        name = grant_name(holder, view.name("roles", one.role["id"]), scope, target, inherited=inherited)
        where = f"/{scope}s/{target_id}" if target_id else "/system"
        path = f"{where}/{actor}s/{actor_id}/roles/{one.role['id']}"
        whole = f"/OS-INHERIT{path}/inherited_to_projects" if inherited else path
        yield Fact("role assignment", name, view.layer("role assignment", maker), {}, "", "", {"path": whole})


def application_credentials(view: View) -> Iterator[Fact]:
    """Ours are known by the name that they have in their file; in the cloud it ends with the time."""
    for user, one in view.all("application credentials"):
        maker = view.maker_of_holder("user", user) or ""
        yield Fact(
            "application credential",
            view.known.get(one.id) or of_owner(one.name, view.users[user]),
            view.layer("application credential", maker),
            {"unrestricted": bool(one.unrestricted), "ends": bool(one.expires_at), "rules": bool(one.access_rules)},
            one.id,
            user,
            {"user": user},
        )


def trusts(view: View) -> Iterator[Fact]:
    """With one somebody else takes on roles of an account, or an account those of somebody else."""
    for one in view.all("trusts"):
        held = (one.trustor_user_id, one.trustee_user_id)
        makers = [maker for user in held if (maker := view.maker_of_holder("user", user))]
        if makers:
            giver, taker = (view.users.get(user, user) for user in held)
            yield view.fact("trust", f"{giver} to {taker} in {view.project(one.project_id)}", makers[0], one.id, parent=one.trustor_user_id)


def access_keys(view: View) -> Iterator[Fact]:
    """What Keystone keeps for an account beside its password, such as keys for the EC2 and S3 interfaces."""
    for one in view.all("credentials"):
        if view.maker_of_holder("user", one.user_id):
            yield _of_account(view, "access key", f"{one.type} {one.id[:8]}", one.user_id, {"id": one.id})


def key_pairs(view: View) -> Iterator[Fact]:
    for user, one in view.all("key pairs"):
        yield _of_account(view, "key pair", one.name, user, {"user": user, "name": one.name})


def _of_account(view: View, kind: str, name: str, user: str, at: Mapping[str, str]) -> Fact:
    maker = view.maker_of_holder("user", user) or ""
    return Fact(kind, of_owner(name, view.users[user]), view.layer(kind, maker), {}, "", "", at)


def quotas(view: View) -> Iterator[Fact]:
    for service in QUOTAS:
        for project, figures in view.all(f"{service} quotas"):
            ground = view.ground(project)
            if ground:
                yield Fact("quota", of_owner(service, view.project(project)), view.layer("quota", ground.layer), figures, "", project)

"""One reading of a region, in which everything is known by its name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from landing_zone.drift.estate import Estate, Ground
from landing_zone.drift.facts import Fact, Value
from landing_zone.drift.kinds import KINDS
from landing_zone.drift.reading import Reading, owner_of
from landing_zone.planners.shares import TENANT

OWNED = ("projects", "users", "groups")  # by domains
NAMED = ("networks", "subnets", "routers", "ports", "security groups", "address groups", "address scopes", "subnet pools", "roles")


class View:
    """One reading, with everything in it known by its name.

    `known` are the names by id of what the states of our stacks know: a thing that somebody renamed is still known by its own.
    `dropped` are ids of what the environment file no longer asks for.
    """

    def __init__(self, reading: Reading, ours: Estate, known: Mapping[str, str], dropped: Collection[str] = ()) -> None:
        self._lists = reading.lists
        self.ours = ours
        self.known = known
        self.dropped = dropped
        self.domains = {one.id: known.get(one.id, one.name) for one in self.all("domains")}
        self.projects = {one.id: self._label(one, ours.projects) for one in self.all("projects")}
        self.users = {one.id: self._label(one, ours.machine_users) for one in self.all("users")}
        self.groups = {one.id: self._label(one, ours.groups) for one in self.all("groups")}
        self.homes = {one.id: self.domains.get(one.domain_id, "") for source in OWNED for one in self.all(source)}
        self._by_hand = {
            one.id: Ground(ours.domains[home], "by hand", floating=False)
            for one in self.all("projects")
            if (home := self.homes[one.id]) in ours.domains and self.projects[one.id] not in ours.grounds
        }
        self._names = {source: {one.id: known.get(one.id, one.name) or one.id for one in self.all(source)} for source in NAMED}
        self._owners = {source: {one.id: one.project_id for one in self.all(source)} for source in NAMED if source != "roles"}

    def all(self, source: str) -> Sequence[Any]:
        """Everything of a source; nothing where it could not be read."""
        return self._lists.get(source, ())

    def name(self, source: str, identity: str | None) -> str:
        """The name of something; its id where it is not known."""
        return str(self._names[source].get(identity or "", identity or ""))

    def project(self, identity: str | None) -> str:
        """A project by its name, with its domain where it is not of the plan."""
        return self.projects.get(identity or "", identity or "")

    def ground(self, identity: str | None) -> Ground | None:
        """The landing zone's project of that id, or one by hand in one of its domains; None for any other."""
        return self.ours.grounds.get(self.project(identity)) or self._by_hand.get(identity or "")

    def owner(self, source: str, identity: str | None) -> Ground | None:
        """The landing zone's project that a network, router, group and so on belongs to; None when it is not ours."""
        return self.ground(self._owners[source].get(identity or ""))

    def layer(self, kind: str, maker: str) -> str:
        """The layer of a thing of that kind in a project or domain that the layer `maker` makes."""
        return maker if maker.startswith(TENANT) else KINDS[kind].layer

    def fact(self, kind: str, name: str, maker: str, identity: str, parent: str = "", **values: Value) -> Fact:
        """A fact about something in a project or domain that the layer `maker` makes."""
        said = {key.replace("_", " "): value for key, value in values.items()}
        return Fact(kind, name, self.layer(kind, maker), said, identity, parent)

    def of_project(self, kind: str, one: Any, maker: str, name: str | None = None, **values: Value) -> Fact:
        """A fact about something that belongs to a project. name: when it is not known by its own."""
        known_as = one.name if name is None else name
        return self.fact(kind, known_as, maker, one.id, "", project=self.project(one.project_id), **values)

    def maker(self, scope: str, identity: str) -> str | None:
        """The layer that makes a domain or project, or a project by hand in one of our domains; None when it is not ours."""
        if scope == "domain":
            return self.ours.domains.get(self.domains.get(identity, ""))
        ground = self.ground(identity)
        return ground.layer if ground else None

    def maker_of_holder(self, kind: str, identity: str) -> str | None:
        """The layer that makes a group or a machine account; None for people and for what is not ours."""
        planned = self.ours.groups if kind == "group" else self.ours.machine_users
        home = self.homes.get(identity, "")
        return self.ours.domains.get(home) if (home, (self.groups if kind == "group" else self.users).get(identity)) in planned else None

    def shown(self, one: Any, labels: Mapping[str, str]) -> str:
        """The name that something has now: if it is ours its own, else the one by which others know it."""
        return str(one.name if one.id in self.known else labels[one.id])

    def _label(self, one: Any, planned: Collection[tuple[str, str]]) -> str:
        if one.id in self.known:
            return self.known[one.id]
        domain = self.domains.get(one.domain_id, one.domain_id)
        return one.name if (domain, one.name) in planned else f"{domain}/{one.name}"


def in_projects(view: View, source: str) -> Iterator[tuple[Any, str]]:
    """Things of our projects, and such that the state knows wherever they are now; each with the layer that makes its project."""
    for one in view.all(source):
        ground = view.ground(owner_of(one))
        if ground or one.id in view.known:
            yield one, ground.layer if ground else ""


def operators(view: View, source: str) -> Iterator[tuple[Any, str]]:
    """The same without what tenants have in their own projects."""
    for one, maker in in_projects(view, source):
        ground = view.ground(owner_of(one))
        if one.id in view.known or (ground and ground.purpose != "workload"):
            yield one, maker

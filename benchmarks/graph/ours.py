"""The graph on our side: a stack for each tenant, worked on by the project's own engine as `lz` does.

python -m benchmarks.graph.ours up|plan|full|look|down --tenants 5 --cloud lab-north --region north

Prints one JSON object: cloud resources by what was done to them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pulumi
import pulumi_openstack as openstack
from pulumi_openstack import identity, networking

from benchmarks.graph import words
from benchmarks.graph.description import Ref, Tenant, describe, filled
from foundation import digest
from foundation.errors import LzError
from landing_zone.engine import clouds, fingerprint
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.fingerprint import Ids
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run, Selection, Source, agrees
from landing_zone.engine.stack import Outcome, StackKey, Stacks, forget_variables
from landing_zone.engine.stores.folder import Folder
from landing_zone.planners.ledger import Ledger
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.planners.shares import TENANT
from policy import guard
from policy.rules import Facts

CODE = "graph"
MODULES = ("benchmarks.graph.description", "policy.guard", "pulumi_openstack.identity", "pulumi_openstack.networking")  # for `crew.hired`
CLASSES: Mapping[str, Callable[..., pulumi.CustomResource]] = {
    "openstack_identity_project_v3": identity.Project,
    "openstack_identity_group_v3": identity.GroupV3,
    "openstack_networking_network_v2": networking.Network,
    "openstack_networking_subnet_v2": networking.Subnet,
    "openstack_networking_router_v2": networking.Router,
    "openstack_networking_router_interface_v2": networking.RouterInterface,
    "openstack_networking_port_v2": networking.Port,
    "openstack_networking_secgroup_v2": networking.SecGroup,
    "openstack_networking_secgroup_rule_v2": networking.SecGroupRule,
}
RENAMED = {"fixed_ip": "fixed_ips"}  # a block that may be repeated is a list here
ROUTER_PORT = "no_security_groups"


@dataclass(frozen=True)
class Place:
    """Where the graph is made: an entry of clouds.yaml and its region."""

    cloud: str
    region: str


@dataclass
class GraphRun(Run):
    """A run whose stacks are the graph's tenants; all else is as for an environment."""

    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    place: Place = Place("", "")

    def keys(self) -> list[StackKey]:
        """The stack of every tenant."""
        return [StackKey(CODE, self.place.region, layer) for layer in self.tenants]

    @property
    def here(self) -> Selection:
        """Every stack of the place's region."""
        return Selection(regions=frozenset({self.place.region}))

    def cloud(self, key: StackKey) -> Cloud:
        """Where the cloud is."""
        del key  # there is one place
        return self.clouds[self.place.cloud]

    def source(self, key: StackKey, stands: frozenset[str] | None) -> Source:
        """How a worker gets the program of a tenant's stack."""
        del stands  # no tenant reads another stack
        return partial(program, self.tenants[key.layer], self.place)

    def digest(self, key: StackKey, ids: Callable[[StackKey], Ids]) -> str:
        """The digest of all that decides about a tenant's stack."""
        del ids  # no tenant reads another stack
        return digest.of_texts(fingerprint.of_code(), repr(self.tenants[key.layer]), repr(self.place))


def program(tenant: Tenant, place: Place) -> Callable[[], Awaitable[None]]:
    """The program of a tenant's stack, guard rails included."""

    async def run() -> None:
        watch = guard.Watch(facts(tenant, place))
        watch.begin()
        compose(tenant, place)
        await watch.verdict()

    return run


def compose(tenant: Tenant, place: Place) -> None:
    """Every resource of a tenant."""
    administrator = openstack.Provider(f"admin-{place.region}", cloud=place.cloud, region=place.region)
    options = pulumi.ResourceOptions(provider=administrator, delete_before_replace=True)
    made: dict[Ref, pulumi.CustomResource] = {}
    for node in tenant.nodes:
        arguments = {RENAMED.get(name, name): filled(value, lambda ref: made[ref].id) for name, value in node.properties.items()}
        made[node.ref] = CLASSES[node.kind](node.name, **arguments, opts=options)


def facts(tenant: Tenant, place: Place) -> Facts:
    """What the guard rails must know."""
    return Facts(
        encrypted=True,
        regions=frozenset({place.region}),
        open_groups=frozenset(),
        router_ports=frozenset(node.name for node in tenant.nodes if ROUTER_PORT in node.properties),
        floating=frozenset(),
    )


def open_run(tenants: int, place: Place, width: int, parallel: int) -> GraphRun:
    """A run that is signed in to the cloud. Raises InputError when that does not go."""
    forget_variables()
    entries = clouds.use([place.cloud])
    connections = clouds.try_out([(place.region, entries[place.cloud])])
    plan = EnvironmentPlan(CODE, "", "", "agency", 2, "test", {}, {}, Ledger())
    home = Home.of(CODE)
    parts = {f"{TENANT}{tenant.name}": tenant for tenant in describe(tenants)}
    stacks = Stacks(home, Folder.of(home.backend), parallel)
    return GraphRun(plan, stacks, entries, connections, lambda _: None, width, MODULES, tenants=parts, place=place)


def up(run: GraphRun) -> list[Outcome]:
    """What `lz up` does: all previews, then what they say.

    The state of a tenant that is no longer there, because the lab was made anew or somebody removed it, is put aside first.
    """
    for key in run.standing(run.here):
        if not agrees(run.stacks.domains(key).values(), run.connections[key.region]):
            run.stacks.forget(key)
    return run.apply(run.previews(run.keys()))


def plan(run: GraphRun, *, full: bool = False) -> list[Outcome]:
    """What `lz plan` does, or `lz plan --full`. Raises LzError when something would change."""
    previews = run.previews(run.keys(), full=full)
    if any(preview.changed for preview in previews):
        raise LzError("the second run is not empty")
    return previews


def look(run: GraphRun) -> list[Outcome]:
    """What `lz drift` begins with: every resource is read in the cloud and compared with the state."""
    return run.compare(run.keys())


def down(run: GraphRun) -> list[Outcome]:
    """What `lz down` does."""
    return run.remove(run.standing(run.here))


STEPS: Mapping[str, Callable[[GraphRun], list[Outcome]]] = {
    "up": up,
    "plan": plan,
    "full": partial(plan, full=True),
    "look": look,
    "down": down,
}


def _counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(outcome.changes)
    return dict(total)


def main() -> None:
    """Do one step."""
    given = words.step(__doc__, STEPS)
    run = open_run(given.tenants, Place(given.cloud, given.region), given.width, given.parallel)
    print(json.dumps(_counts(STEPS[given.step](run))))


if __name__ == "__main__":
    main()

"""Ways out that routers are to have no more. The provider takes a gateway that nobody asks for any longer for one that the cloud
chose: it neither removes it nor tells, and a tenant without its edge zone would keep a router to the outside.

`lz up` takes it away by a plain call when the stack is applied, and lets the state know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import LzError, Problem, raise_all
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from landing_zone.planners.shares import network_layers

ROUTER = "openstack:networking/router:Router"


def due(run: Run, keys: Iterable[StackKey]) -> dict[StackKey, Mapping[str, str]]:
    """Routers that have a way out by the state and none in the plan, ids by name. Only states and plan are asked."""
    found = {key: _open(run, key) for key in keys}
    return {key: routers for key, routers in found.items() if routers}


def close(run: Run, keys: Iterable[StackKey]) -> None:
    """Take these ways out away. LzError with every router that the cloud leaves as it is."""
    open_ = due(run, keys)
    problems: list[Problem] = []
    for key, routers in open_.items():
        for name, identity in routers.items():
            try:
                run.connections[key.region].network.update_router(identity, external_gateway_info={})
            except (SDKException, ClientException) as error:
                where, why = f"region {key.region}, {identity}", f"{type(error).__name__}: {error}"
                cure = "remove the floating addresses that need it, then run the same command again"
                problems.append(Problem(f"router {name} keeps its way out", where, why, cure))
            else:
                run.say(f"{key.name}: took the way out of router {name} away")
    if open_:
        run.refresh(open_)
    raise_all(problems, LzError)


def _open(run: Run, key: StackKey) -> Mapping[str, str]:
    region = run.plan.regions.get(key.region)
    layer = dict(network_layers(region)).get(key.layer) if region else None
    closed = {router.name for router in layer.routers if not router.external_network} if layer else set()
    if not closed:
        return {}
    return {
        one["inputs"]["name"]: str(one["id"])
        for one in run.stacks.resources(key)
        if one["type"] == ROUTER and one.get("id") and one["inputs"]["name"] in closed and one.get("outputs", {}).get("externalNetworkId")
    }

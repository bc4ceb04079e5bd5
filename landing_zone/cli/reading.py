"""Commands that only read: preflight, status, inventory, env."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import LzError, Problem, raise_all
from foundation.progress import Progress
from foundation.shell import callable_here
from landing_zone import inventory as stock
from landing_zone import preflight as checks
from landing_zone.cli import flags, output
from landing_zone.engine import clouds, recovery
from landing_zone.engine.opening import Refused, anywhere, open_offline, open_run, reach
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import DamagedError, StackKey, Stacks
from landing_zone.planners.plan import EnvironmentPlan, InstanceSpec
from landing_zone.proof.results import Verdict, worst
from landing_zone.ssh.hosts import Host, renew

READY = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.UNKNOWN: 5}


def preflight(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    json_: flags.Json = False,
) -> None:
    """Check everything that must be right before the first create: what is yet to be made against what the cloud has.

    Exit code 1 when anything is not right, 5 when all that could be checked is, but something could not.

    Examples:

    \b
        lz preflight --env lab
        lz preflight --env lab --region north --json
        lz preflight --env lab --tenant edu
    """
    asked = flags.asked(env, region, layer, tenant)
    try:
        run, chosen = open_run(asked, Progress().say)
    except Refused as refused:
        raise checks.beside(refused, asked) from None
    found = checks.examine(run, chosen)
    if json_:
        output.document([output.finding_data(each) for each in found])
    else:
        output.findings(found)
    code = READY[worst(found)]
    if not json_ and not code:
        output.next_steps([f"lz plan --env {env}"])
    if json_ or not code:
        raise typer.Exit(code)
    raise LzError(*checks.problems(found), exit_code=code)


def status(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    json_: flags.Json = False,
) -> None:
    """Show which stacks stand, how much is in each, and since when. Reads the state only, not the cloud.

    A stack whose state is damaged is shown as such beside the others: exit code 1.

    Examples:

    \b
        lz status --env lab
        lz status --env lab --json
        lz status --env lab --region north --tenant edu
    """
    plan, chosen, stacks = open_offline(flags.asked(env, region, layer, tenant, standing=True))
    run = Run(plan, stacks, {}, {}, lambda _: None)
    keys = list(dict.fromkeys((*run.planned(chosen), *run.standing(chosen))))
    planned = run.planned(chosen, probes=True)
    seen = [_row(stacks, key, key in planned) for key in keys]
    rows, problems = [row for row, _ in seen], [problem for _, each in seen for problem in each]
    if json_:
        output.document(rows)
        raise typer.Exit(1 if problems else 0)
    output.table(
        ["region", "layer", "state", "resources", "changed"],
        [[row["region"], row["layer"], row["state"], str(row["resources"]), row["changed"]] for row in rows],
        numbers=("resources",),
    )
    raise_all(problems, LzError)


def _row(stacks: Stacks, key: StackKey, planned: bool) -> tuple[dict[str, Any], Sequence[Problem]]:
    """What is known of a stack, also of one whose state is damaged; and what is wrong with its state."""
    problems: Sequence[Problem] = ()
    try:
        resources = [one for one in stacks.resources(key) if one["type"].startswith("openstack:")]
        state = _state(stacks, key)
    except DamagedError as error:
        resources, state, problems = [], "damaged", error.problems
    times = [one["modified"] for one in resources if "modified" in one]
    row = {
        "stack": key.name,
        "region": key.region,
        "layer": key.layer,
        "state": state if planned else f"{state}, not planned",
        "resources": len(resources),
        "changed": f"{datetime.fromisoformat(max(times)).astimezone():%Y-%m-%d %H:%M}" if times else "",
    }
    return row, problems


def _state(stacks: Stacks, key: StackKey) -> str:
    if recovery.has_notes(stacks, key):
        return "interrupted"
    return "stands" if stacks.resources(key) else "not made"


def inventory(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    layer: flags.Layers = None,
    tenant: flags.Tenants = None,
    json_: flags.Json = False,
) -> None:
    """List the instances that were made, what Nova says of each, and how each is reached; with --json as an Ansible inventory.

    An inventory comes with an SSH certificate for Ansible, which is good for an hour; `lz inventory --json` renews it. A region
    that does not answer is warned of on standard error, and its instances are listed all the same: exit code 5.

    Examples:

    \b
        lz inventory --env lab
        lz inventory --env lab --json > inventory.json && ansible -i inventory.json all -m ping
        lz inventory --env lab --layer access
    """
    plan, chosen, stacks = open_offline(flags.asked(env, region, layer, tenant))
    everything = stock.hosts(plan, stacks, plan.regions)
    found = stock.chosen(plan, everything, chosen)
    status, silent = _by_nova(plan, found)
    for problem in silent:
        output.warn(problem)
    if json_:
        renew(stacks.home, plan.code, everything)
        output.document(stock.ansible(plan, stacks.home, found, status))
    else:
        planned = stock.specs(plan)
        output.table(
            ["host", "region", "zone", "tenant", "address", "status", "way in"], [_host(env, one, planned, status) for one in found]
        )
    if silent:
        raise typer.Exit(READY[Verdict.UNKNOWN])


def _host(env: str, one: Host, planned: Mapping[str, InstanceSpec], status: Mapping[str, str]) -> list[str]:
    spec = planned[one.name]
    way_in = callable_here(f"lz ssh --env {env} {one.name}")
    return [one.name, one.region, spec.zone, spec.tenant or "", one.address, status.get(one.name, "?"), way_in]


def _by_nova(plan: EnvironmentPlan, found: Sequence[Host]) -> tuple[dict[str, str], list[Problem]]:
    """What Nova says of hosts, by name, region by region; and why each region said nothing that did not."""
    reached = reach(plan, {one.region for one in found}, once=True)
    status: dict[str, str] = {}
    silent = [replace(problem, what=f"region {region} was not asked: {problem.what}") for region, problem in reached.problems.items()]
    for region, connection in reached.connections.items():
        try:
            status |= stock.live(connection, [one for one in found if one.region == region])
        except (SDKException, ClientException) as error:
            cure = "look at its health (the lab: lz lab doctor)"
            silent.append(Problem(f"region {region}: Nova does not answer", why=f"{type(error).__name__}: {error}", cure=cure))
    return status, silent


def env(env: flags.Env = flags.DEFAULT_ENV) -> None:
    """Print the shell lines with which `pulumi`, `openstack` and `kubectl` work on an environment without `lz`.

    kubectl gets a file of the environment's own, so that it speaks to no other cluster by mistake. The landing zone makes no cluster:
    whoever makes one in a tenant's project writes the file.

    Example:

    \b
        eval "$(lz env --env lab)" && pulumi stack ls
    """
    plan, _, stacks = open_offline(flags.asked(env))
    clouds.use(region.cloud for region in plan.regions.values())
    settings = {
        "LZ_ENV": anywhere(env),
        clouds.VARIABLE: os.environ[clouds.VARIABLE],
        "NO_PROXY": os.environ["NO_PROXY"],
        "no_proxy": os.environ["no_proxy"],
        "KUBECONFIG": str(stacks.home.kubeconfig),
        **stacks.settings,
    }
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    print("unset $(env | sed -n 's/^\\(OS_[A-Z_]*\\)=.*/\\1/p')")
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(value)}")

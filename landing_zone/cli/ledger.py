"""`lz ledger`: the address ledger beside an environment file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from foundation.errors import InputError, Problem, raise_all
from landing_zone import model
from landing_zone.cli import flags, output
from landing_zone.cli.changes import agree
from landing_zone.engine.home import Home
from landing_zone.engine.opening import REHEARSED, environment_file, load_plan, stacks_of
from landing_zone.engine.stack import StackKey
from landing_zone.model.environment import Environment
from landing_zone.planners import ledger as slots
from landing_zone.planners.addresses import prefixes
from landing_zone.planners.ledger import Ledger, Run
from landing_zone.planners.ledgerfile import ledger_path, load_ledger, save_ledger
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.planners.shares import TENANT

app = typer.Typer(
    name="ledger",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Which addresses each tenant has, and which a former one keeps.",
)


@dataclass(frozen=True)
class Entry:
    """What one tenant has. `state`: in use, new (given out by the next `lz up`) or retired; `prefixes` by region, both families."""

    tenant: str
    state: str
    run: Run
    prefixes: dict[str, tuple[str, str]]


@app.command()
def show(env: flags.Env = flags.DEFAULT_ENV, json_: flags.Json = False) -> None:
    """Show the slots and prefixes of every tenant, in use and retired. Reads files only.

    Examples:

    \b
        lz ledger show --env lab
        lz ledger show --env national-cgc --json
    """
    found = entries(env)
    if json_:
        output.document([_data(entry) for entry in found])
        return
    regions = list(found[0].prefixes) if found else []
    rows = [[entry.tenant, entry.state, _slots(entry.run), *(" ".join(entry.prefixes[name]) for name in regions)] for entry in found]
    output.table(["tenant", "state", "slots", *regions], rows)


@app.command()
def release(
    tenant: Annotated[str, typer.Argument(help="Code of the former tenant.")],
    env: flags.Env = flags.DEFAULT_ENV,
    yes: flags.Yes = False,
    json_: flags.Json = False,
) -> None:
    """Give the addresses of a former tenant free: another one may get them from now on.

    Do it when nothing uses them any more: no firewall of a partner, no log that is still searched by address.

    Examples:

    \b
        lz ledger release moet --env national-cgc
        lz ledger release moet --env national-cgc --yes --json
    """
    planned = load_plan(env.removesuffix(REHEARSED))  # the addresses are those of the real environment: what stands of it counts
    with Home.of(planned.home).alone():
        path = environment_file(env)
        environment = model.load(path)
        kept = slots.retire(load_ledger(path), codes(environment))
        raise_all(_refusals(environment, planned, kept, tenant, str(ledger_path(path))))
        entry = _entry(environment, tenant, "retired", kept.retired[tenant])
        if not json_:
            output.out.print(f"Slots {_slots(entry.run)}: {', '.join(' '.join(pair) for pair in entry.prefixes.values())}", markup=False)
        agree(f"Release the addresses of {tenant}?", yes=yes)
        save_ledger(path, slots.release(kept, tenant))
    if json_:
        output.document(_data(entry))
        return
    output.out.print(f"Released. Commit {ledger_path(path)} with the environment file.", markup=False)


def entries(env: str) -> list[Entry]:
    """The ledger of an environment with what the next `lz up` would add to it. InputError when the two do not fit."""
    path = environment_file(env)
    environment, written, coming = model.load(path), load_ledger(path), load_plan(env).ledger
    used = [
        _entry(environment, code, "in use" if code in {*written.slots, *written.retired} else "new", run)
        for code, run in coming.slots.items()
    ]
    return [*used, *(_entry(environment, code, "retired", run) for code, run in coming.retired.items())]


def codes(environment: Environment) -> frozenset[str]:
    """The codes of all tenants."""
    return frozenset(tenant.code for tenant in environment.tenants)


def _refusals(environment: Environment, planned: EnvironmentPlan, ledger: Ledger, tenant: str, where: str) -> list[Problem]:
    """Why the addresses of a tenant may not be released."""
    if tenant in codes(environment):
        cure = f"take it down (lz down --env {planned.called} --tenant {tenant}) and remove it from the environment file first"
        return [Problem(f"tenant {tenant} is in the environment", where, "its addresses are in use", cure)]
    if tenant not in ledger.retired:
        known = ", ".join(sorted(ledger.retired)) or "none"
        return [Problem(f"no former tenant {tenant!r} has addresses", where, f"retired are: {known}", "look at: lz ledger show")]
    layer = f"{TENANT}{tenant}"
    cure = f"take it down (lz down --env {planned.called} --tenant {tenant}), and release then"
    standing = sorted(name for name in stacks_of(planned).standing() if StackKey.of(name).layer == layer)
    return [Problem(f"stack {name} still stands", where, "it uses these addresses", cure) for name in standing]


def _entry(environment: Environment, tenant: str, state: str, run: Run) -> Entry:
    try:
        return Entry(tenant, state, run, {region.name: prefixes(environment, region, run).both for region in environment.regions})
    except ValueError as error:
        cure = "give the regions back supernets as long as they were"
        raise InputError(Problem(f"the slots of {tenant} are outside of the supernets", "ledger", str(error), cure)) from None


def _slots(run: Run) -> str:
    return str(run.start) if run.count == 1 else f"{run.start}-{run.start + run.count - 1}"


def _data(entry: Entry) -> dict[str, Any]:
    return {
        "tenant": entry.tenant,
        "state": entry.state,
        "start": entry.run.start,
        "count": entry.run.count,
        "prefixes": {region: list(pair) for region, pair in entry.prefixes.items()},
    }

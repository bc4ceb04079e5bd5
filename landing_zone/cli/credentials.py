"""`lz credentials`: what tenants' programs sign in with."""

from __future__ import annotations

from typing import Annotated

import typer

from foundation.progress import Progress
from landing_zone.cli import flags, output
from landing_zone.engine import credentials as store
from landing_zone.engine.opening import open_alone
from landing_zone.engine.runs import Run, Selection


def credentials(
    env: flags.Env = flags.DEFAULT_ENV,
    region: flags.Regions = None,
    tenant: flags.Tenants = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Make all of them anew; the old ones end at once.")] = False,
    json_: flags.Json = False,
) -> None:
    """Show the application credentials of tenants' projects, where each is kept and when it ends; make what is missing.

    There are two for each project: one that may do what a member may, one that may only read. Neither reaches the identity
    service. `lz up` makes them anew 30 days before their end. The files are of the form of clouds.yaml and hold the secrets.

    Examples:

    \b
        lz credentials --env lab
        lz credentials --env lab --region north --tenant edu --rotate
    """
    with open_alone(flags.asked(env, region, tenants=tenant), Progress().say) as (run, chosen):
        store.ensure(run, run.standing(chosen), rotate=rotate, look=True)
        rows = _rows(run, chosen)
    if json_:
        output.document(rows)
        return
    output.table(["region", "tenant", "cloud", "ends", "file"], [list(row.values()) for row in rows])


def _rows(run: Run, chosen: Selection) -> list[dict[str, str]]:
    return [
        {"region": region.name, "tenant": tenant.code, "cloud": one.name, "ends": f"{one.ends:%Y-%m-%d}", "file": str(path)}
        for region, tenant in store.tenants(run, run.standing(chosen))
        for path in [store.file_of(run.stacks.home, region.name, tenant.code)]
        for one in store.kept(path).values()
    ]

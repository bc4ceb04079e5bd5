"""Flags that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from landing_zone.engine.opening import Asked
from landing_zone.engine.runs import WIDTH
from landing_zone.engine.stack import PARALLEL

Env = Annotated[
    str,
    typer.Option(
        "--env",
        "-e",
        envvar="LZ_ENV",
        help="Name of an environment in environments/, or path of its file; with @lab behind it, it is rehearsed on the lab.",
    ),
]
Regions = Annotated[list[str] | None, typer.Option("--region", "-r", help="Only this region; may be given more than once.")]
Layers = Annotated[list[str] | None, typer.Option("--layer", "-l", help="Only this layer; may be given more than once.")]
Tenants = Annotated[list[str] | None, typer.Option("--tenant", "-t", help="Only this tenant; may be given more than once.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, help="Calls to the cloud at once, in each stack.")]
Width = Annotated[int, typer.Option("--side-by-side", min=1, help="Stacks at once.")]
Full = Annotated[bool, typer.Option("--full", help="Look at every stack, also where nothing can have changed since it was last right.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]

DEFAULT_ENV = "lab"


def asked(
    env: str,
    regions: list[str] | None = None,
    layers: list[str] | None = None,
    tenants: list[str] | None = None,
    parallel: int = PARALLEL,
    width: int = WIDTH,
    *,
    standing: bool = False,
) -> Asked:
    """The flags as plain data."""
    return Asked(env, tuple(regions or ()), tuple(layers or ()), tuple(tenants or ()), parallel, width, standing)

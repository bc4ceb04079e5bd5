"""The commands put together."""

from __future__ import annotations

import typer

from lab.cli import app as lab
from landing_zone.cli import changes, proving, reading

app = typer.Typer(
    name="lz",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A government cloud on OpenStack, from one environment file.",
)
for command in (reading.preflight, changes.plan, changes.up, proving.verify, reading.status, reading.inventory, changes.down, reading.env):
    app.command()(command)
app.add_typer(lab)

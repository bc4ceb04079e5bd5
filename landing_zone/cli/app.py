"""The commands put together."""

from __future__ import annotations

import typer

from lab.cli import app as lab
from landing_zone.cli import changes, drifting, ledger, proving, reading, start

EXIT_CODES = """
Exit codes: 0 done; 1 it failed, or something is not as it should be; 2 the input or this machine is not fit, nothing was
changed; 3 another run is under way; 4 a check failed; 5 a check could not be evaluated; 70 a fault of lz; 130 interrupted.

Every command takes --debug (before or after its name): then an error comes with its traceback.
"""

app = typer.Typer(
    name="lz",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="A government cloud on OpenStack, from one environment file.",
    epilog=EXIT_CODES,
)
for command in (
    start.quickstart,
    start.init,
    reading.preflight,
    changes.plan,
    changes.up,
    proving.verify,
    drifting.drift,
    reading.status,
    reading.inventory,
    reading.env,
    changes.down,
):
    app.command()(command)
app.add_typer(ledger.app)
app.add_typer(lab)

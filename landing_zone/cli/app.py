"""The commands put together. One is imported when it is called, so that help and version need none of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated

import typer
from typer._click import Command, Context, HelpFormatter  # Typer brings its own copy of click and offers its types nowhere else
from typer.core import TyperGroup
from typer.main import get_command

EXIT_CODES = """
Exit codes: 0 done; 1 it failed, or something is not as it should be; 2 the input or this machine is not fit, nothing was
changed; 3 another run is under way; 4 a check failed; 5 a check could not be evaluated; 70 a fault of lz; 130 interrupted.

Every command takes --debug (before or after its name): then an error comes with its traceback; so it does where LZ_DEBUG is
set, which `make` and tools/ hear as well. With --json an error is one JSON document on standard output too: a list "problems",
each with what, where, why and cure.
"""
# name -> where its function (or the app of its own commands) is, and its line in the help
COMMANDS: Mapping[str, tuple[str, str]] = {
    "quickstart": ("landing_zone.cli.start:quickstart", "Everything on this machine: engine, lab cloud, landing zone, proof."),
    "init": ("landing_zone.cli.start:init", "Write a new environment file from a few answers."),
    "preflight": ("landing_zone.cli.reading:preflight", "Check everything that must be right before the first create."),
    "plan": ("landing_zone.cli.changes:plan", "Show what `lz up` would do."),
    "up": ("landing_zone.cli.changes:up", "Make the cloud be what the environment file says."),
    "verify": ("landing_zone.cli.proving:verify", "Prove it on the live cloud, with real packets."),
    "drift": ("landing_zone.cli.drifting:drift", "Find what is otherwise in the cloud than in the model, and mend it."),
    "status": ("landing_zone.cli.reading:status", "Show which stacks stand."),
    "inventory": ("landing_zone.cli.reading:inventory", "List the instances that stand and how each is reached."),
    "ssh": ("landing_zone.cli.entering:ssh", "Enter the bastion, or a host behind it, with a certificate for a short while."),
    "nodes": ("landing_zone.cli.nodes:app", "The nodes that stand, against the role that hardens them."),
    "credentials": ("landing_zone.cli.credentials:credentials", "What tenants' programs sign in with; make it, make it anew."),
    "env": ("landing_zone.cli.reading:env", "Print what `pulumi`, `openstack` and `kubectl` need to work without `lz`."),
    "down": ("landing_zone.cli.changes:down", "Remove what `lz up` made."),
    "image": ("landing_zone.cli.images:app", "The hardened image that nodes start from."),
    "state": ("landing_zone.cli.state:app", "The engine's state: copy it into the other region, put it back, repair it."),
    "ledger": ("landing_zone.cli.ledger:app", "Which addresses each tenant has, and which a former one keeps."),
    "lab": ("lab.cli:app", "A real OpenStack with two regions on this machine."),
}


class Commands(TyperGroup):
    """The commands of the table above."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Their names, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """The command of that name; None when there is none."""
        del ctx
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """The list of commands in the help."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def load(name: str) -> Command:
    """The command of that name, imported."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return get_command(alone)


def _version(asked: bool) -> None:
    if asked:
        print(f"lz {version('landing-zone')}")
        raise typer.Exit


app = typer.Typer(
    name="lz",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EXIT_CODES,
)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")] = False,
) -> None:
    """A government cloud on OpenStack, from one environment file."""

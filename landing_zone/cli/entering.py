"""`lz ssh`: into a host with a certificate that is good for a few minutes."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from typing import Annotated

import typer

from foundation.errors import InputError, Problem
from landing_zone import inventory
from landing_zone.cli import flags, output
from landing_zone.engine.home import Home
from landing_zone.engine.opening import open_offline
from landing_zone.ssh.certificates import LONGEST_MINUTES, SESSION_MINUTES, Pass, issue
from landing_zone.ssh.hosts import Host, write_config

BASTION = "bastion"


def ssh(
    host: Annotated[str, typer.Argument(help="A host of `lz inventory`, or `bastion`.")] = BASTION,
    command: Annotated[list[str] | None, typer.Argument(help="What to run there; none: a shell.")] = None,
    env: flags.Env = flags.DEFAULT_ENV,
    region: Annotated[str | None, typer.Option("--region", "-r", help="Whose bastion; default: the first that stands.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=LONGEST_MINUTES, help="How long it may be entered with.")] = SESSION_MINUTES,
    print_: Annotated[bool, typer.Option("--print", help="Print the command instead of running it.")] = False,
) -> None:
    """Enter the bastion of a region, or a host behind it, by SSH, with a fresh key and a certificate for that way only.

    The host has to have the key that was pinned from its console log. With --print the key lies in the environment's home
    until its end, without it until the session ends. The record of all certificates is the file `issued` there.

    Examples:

    \b
        lz ssh --env lab
        lz ssh --env lab --region south bastion -- uptime
        lz ssh --env lab lab-edu-application-probe-north --minutes 60 --print
    """
    plan, chosen, stacks = open_offline(flags.asked(env, [region] if region else None))
    found = inventory.hosts(plan, stacks, [name for name in plan.regions if not chosen.regions or name in chosen.regions])
    target = find(found, host, env)
    entry = enter(stacks.home, found, target, minutes)
    words = ["ssh", "-F", str(entry.config), target.name, *(["--", shlex.join(command)] if command else [])]
    if print_:
        output.out.print(shlex.join(words), markup=False)
        return
    try:
        raise typer.Exit(subprocess.run(words, check=False).returncode)  # it needs the terminal itself
    finally:
        entry.discard()


def find(hosts: Sequence[Host], name: str, env: str) -> Host:
    """The host of that name; `bastion` is the first one. InputError with those that there are."""
    for one in hosts:
        if one.name == name or (name == BASTION and one.through is None):
            return one
    if not hosts:
        raise InputError(Problem("nothing stands that could be entered", cure=f"lz up --env {env}"))
    known = ", ".join(one.name for one in hosts)
    raise InputError(Problem(f"there is no host {name!r}", cure=f"one of: {BASTION}, {known}"))


def enter(home: Home, hosts: Sequence[Host], target: Host, minutes: int) -> Pass:
    """A pass for a host and the bastion on the way to it, with an ssh_config of its own."""
    way = [target.name, *([target.through] if target.through else [])]
    entry = issue(home, way, minutes)
    write_config(home, [one for one in hosts if one.name in way], [entry], entry.config)
    return entry

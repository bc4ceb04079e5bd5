"""`lz lab`: the embedded cloud at the command line."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from foundation import proxies
from foundation.errors import InputError, LzError, Problem
from foundation.progress import Progress
from foundation.shell import callable_here
from lab import doctor as doctor_module
from lab import health, image, lifecycle, requirements
from lab.compute import choose
from lab.machine import INSIDE
from lab.region import machine_of
from lab.settings import LAB_RANGE, REGIONS, SERVICES, Region, places

app = typer.Typer(
    name="lab", no_args_is_help=True, add_completion=False, help="A real OpenStack with two regions on this machine.", rich_markup_mode=None
)
# Where nobody looks on a terminal, rows are not cut to 80 columns.
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else 160)

RegionOption = Annotated[
    list[str] | None, typer.Option("--region", help="north or south; give it twice for both. Default: both, one under 16 GiB.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@app.command()
def up(
    region: RegionOption = None,
    compute: Annotated[str, typer.Option(help="How instances run: auto, kvm, uml or qemu.")] = "auto",
    json_: JsonOption = False,
) -> None:
    """Bring the lab up. Safe to repeat; after a kill it goes on with what is cached.

    Examples:

    \b
        lz lab up
        lz lab up --region north --compute qemu
    """
    progress = Progress()
    with progress.showing():
        made = lifecycle.up(tuple(region or requirements.default_regions()), compute, progress)
    if json_:
        print(json.dumps({"regions": made.regions, "compute": made.compute, "steps": _steps(progress)}, indent=1))
    else:
        out.print(f"The lab stands: {', '.join(made.regions)}; instances run by {made.compute}.")
        out.print("Next:")
        for line in ways_on(made.regions):
            out.print(f"  {callable_here(line)}", markup=False)


def _steps(progress: Progress) -> list[dict[str, Any]]:
    """What was done, and how many seconds each took, for JSON."""
    return [{"step": timing.name, "seconds": round(timing.seconds, 1)} for timing in progress.timings]


def ways_on(regions: Sequence[str]) -> list[str]:
    """Lines for a shell, after `up`."""
    return ["lz lab status", *(f'eval "$(lz lab env)" && openstack --os-cloud lab-{name} catalog list' for name in regions)]


@app.command()
def down(
    keep: Annotated[bool, typer.Option("--keep", help="Shut down cleanly and keep everything for a warm start.")] = False,
    layers: Annotated[
        bool, typer.Option("--layers", help="Remove what was made of packages, too, trees and guest image: the next `up` makes it anew.")
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Take the lab away and leave the host as it was; caches stay.

    Examples:

    \b
        lz lab down
        lz lab down --keep
        lz lab down --layers
        lz lab down --json
    """
    if keep and layers:
        raise InputError(Problem("a lab that is kept stands on its layers", cure="leave out --keep or --layers"))
    progress = Progress()
    known = lifecycle.standing(places())
    with progress.showing():
        lifecycle.down(progress, keep=keep)
    if layers:
        lifecycle.forget_layers()
        image.forget()
    if json_:
        stood = list(known.regions) if known else []
        print(json.dumps({"regions": stood, "kept": keep, "layers_removed": layers, "steps": _steps(progress)}, indent=1))


@app.command()
def reset(json_: JsonOption = False) -> None:
    """Bring every region back to the state right after `up`, in seconds.

    Examples:

    \b
        lz lab reset
        lz lab reset --json
    """
    progress = Progress()
    with progress.showing():
        lifecycle.reset(progress)
    if json_:
        back = [region.name for region in lifecycle.running(places())]
        print(json.dumps({"regions": back, "steps": _steps(progress)}, indent=1))


def _versions(tree: Path) -> dict[str, str]:
    """Debian package -> version of a machine's tree, which may be that of other code than this checkout's."""
    status = tree / "var/lib/dpkg/status"
    versions, package = {}, ""
    for line in status.read_text().splitlines() if status.exists() else ():
        if line.startswith("Package: "):
            package = line[9:]
        elif line.startswith("Version: "):
            versions[package] = line[9:]
    return versions


@app.command()
def status(json_: JsonOption = False) -> None:
    """What runs: service, region, address, version and latency. Exit code 1 when something does not answer.

    Examples:

    \b
        lz lab status
        lz lab status --json
    """
    where = places()
    known = lifecycle.standing(where)
    if known is None:
        raise InputError(Problem("no lab stands on this machine", cure="run `lz lab up`"))
    rows: list[dict[str, Any]] = []
    for name in known.regions:
        versions = _versions(machine_of(where, REGIONS[name]).root)
        for service, answer in zip(SERVICES, health.probe_all(REGIONS[name], where), strict=True):
            rows.append(
                {
                    "service": service.name, "region": name, "url": REGIONS[name].url(service), "version": versions.get(service.unit, "?"),
                    "status": answer.status, "milliseconds": round(answer.milliseconds), "good": answer.good,
                }
            )  # fmt: skip
    own = known.code == lifecycle.code_digest()
    if json_:
        told = {"compute": known.compute, "cannot_show": choose.cannot_show(known.compute), "own": own, "services": rows}
        print(json.dumps(told, indent=1))
    else:
        table = Table("service", "region", "address", "version", "latency", "answers")
        for row in rows:
            answers = "yes" if row["good"] else f"NO ({row['status']})"
            table.add_row(*(row[key] for key in ("service", "region", "url", "version")), f"{row['milliseconds']} ms", answers)
        out.print(table)
        out.print(
            f"Instances run by {known.compute}. It cannot show: {choose.cannot_show(known.compute) or 'nothing is left out'}.", markup=False
        )
        if not own:
            out.print(str(lifecycle.OF_OTHER_CODE), markup=False)
    if not all(row["good"] for row in rows):
        raise typer.Exit(1)


@app.command()
def env() -> None:
    """Print the shell lines that point OpenStack clients at the lab.

    Example:

        eval "$(lz lab env)" && openstack --os-cloud lab-north server list
    """
    where = places()
    lifecycle.require_running(where)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    settings = {"PATH": path, "OS_CLIENT_CONFIG_FILE": where.clouds, **proxies.past(str(LAB_RANGE))}
    for name, value in settings.items():
        print(f"export {name}={shlex.quote(str(value))}")


def _region(name: str) -> Region:
    if name not in REGIONS:
        raise InputError(Problem(f"there is no region {name!r}", cure=f"one of {', '.join(REGIONS)}"))
    return REGIONS[name]


@app.command()
def logs(
    region: Annotated[str, typer.Argument(help="north or south.")] = "north",
    unit: Annotated[str, typer.Argument(help="A systemd unit; all when not given.")] = "",
    lines: Annotated[int, typer.Option(help="How many lines.", min=1)] = 100,
) -> None:
    """Show what the services of a region logged last: journal and log files.

    Examples:

    \b
        lz lab logs north neutron-api
        lz lab logs south --lines 300
    """
    machine = machine_of(places(), _region(region))
    name = unit.removesuffix(".service")
    journal = ["journalctl", "--no-pager", f"--lines={lines}", *([f"--unit={name}"] if name else ["--priority=warning"])]
    print(machine.inside(*journal), end="")
    if name:
        files = f"tail -n {lines} /var/log/*/{shlex.quote(name)}.log 2>/dev/null || true"
        print(machine.inside("sh", "-c", files), end="")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def console(ctx: typer.Context, region: Annotated[str, typer.Argument(help="north or south.")] = "north") -> None:
    """Open a root shell in a region's machine, or run one program there.

    Examples:

    \b
        lz lab console north
        lz lab console south -- ovs-vsctl show
    """
    machine = machine_of(places(), _region(region))
    command = machine.words(*(ctx.args or ["bash", "--login"]))
    raise typer.Exit(subprocess.run(command, check=False, env={**os.environ, **INSIDE}).returncode)


@app.command()
def doctor(json_: JsonOption = False) -> None:
    """Say in plain words what is wrong with the lab, and the cure. Exit code 1 when anything is.

    Examples:

    \b
        lz lab doctor
        lz lab doctor --json
    """
    found = doctor_module.examine(places())
    if json_:
        print(json.dumps([{"what": p.what, "where": p.where, "why": p.why, "cure": p.cure} for p in found], indent=1))
    if found and not json_:
        raise LzError(*found)
    if found:
        raise typer.Exit(1)
    if not json_:
        out.print("Nothing is wrong with the lab.")

"""python -m tools: install the engine, make and read bundles, keep generated files current."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from foundation.errors import exit_code
from foundation.places import cache
from foundation.progress import Progress
from tools import artefacts, bundle, engine, gobuild, pins, tokens

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
out = Console(highlight=False, emoji=False)


@app.command()
def install(
    network: Annotated[bool, typer.Option(help="Fetch or build what is missing; without it take only what is here.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is installed as JSON.")] = False,
) -> None:
    """Put the Pulumi engine at its pinned versions into the cache; instant when it is there."""
    progress = Progress()
    with progress.showing():
        place = engine.install(progress, network)
    made = [found for artefact in pins.load().artefacts.values() if (found := artefacts.manifest(artefact))]
    if as_json:
        out.print_json(json.dumps({"home": str(place.home), "programs": [vars(program) for program in made]}))
        return
    table = Table("program", "version", "how it got here")
    for program in made:
        table.add_row(program.name, program.version, program.origin)
    out.print(table)
    out.print(f"engine: {place.home} ({(sum(f.stat().st_size for f in place.home.rglob('*') if f.is_file())) / 1e6:.0f} MB)")


@app.command()
def clean() -> None:
    """Remove other versions and what builds keep (Go modules, compiler cache) from the cache; the engine stays."""
    out.print(f"{engine.clean() / 1e6:.0f} MB freed")


@app.command("bundle")
def make_bundle(
    output: Annotated[Path, typer.Argument(help="The archive to write, a .tar.gz.")] = Path("landing-zone-bundle.tar.gz"),
    lab: Annotated[bool, typer.Option("--lab", help="Also Debian packages of host and lab, and the instances' kernel (root).")] = False,
) -> None:
    """Write one archive with all programs and Python packages, checksums and a bill of materials, for sites without a network."""
    progress = Progress()
    with progress.showing():
        made = bundle.make(output.resolve(), progress, lab=lab)
    out.print(f"{made.path} ({made.path.stat().st_size / 1e6:.0f} MB)\nSHA-256 {made.sha256}")
    out.print(f"On the other machine: tools/install --from {made.path.name} --sha256 {made.sha256}", soft_wrap=True)


@app.command("tokens")
def make_tokens(check: Annotated[bool, typer.Option(help="Only say whether the committed file is current.")] = False) -> None:
    """Write the OpenStack plugin's tokens.json anew from the provider's source and the Python package."""
    known = pins.load()
    go = gobuild.find_go(known.go, Progress())
    steps = gobuild.plan(known.artefacts["openstack"], go, cache("tools") / "unused")
    wanted = tokens.current(go, steps.env)
    if tokens.committed().read_text() == wanted:
        out.print("tokens.json is current")
    elif check:
        out.print("tokens.json is not current; write it anew: .venv/bin/python -m tools tokens")
        raise typer.Exit(1)
    else:
        tokens.committed().write_text(wanted)
        out.print("tokens.json written")


def main() -> None:
    """Run the command line; a problem is one block on standard error."""
    sys.exit(exit_code(app))


if __name__ == "__main__":
    main()

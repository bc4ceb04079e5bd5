"""`lz image`: the golden image of the nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from openstack.connection import Connection

from foundation.errors import InputError, Problem
from foundation.progress import Progress
from landing_zone.cli import flags, output
from landing_zone.engine.home import Home
from landing_zone.engine.opening import open_offline, sign_in
from landing_zone.image import build as making
from landing_zone.image.build import Image, name_of
from landing_zone.image.publish import publish as upload
from landing_zone.image.publish import sign
from landing_zone.image.publish import verify as check
from landing_zone.planners.plan import EnvironmentPlan
from landing_zone.ssh.certificates import load

app = typer.Typer(
    name="image",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="The hardened image that nodes start from.",
)


@app.command()
def build(
    profile: Annotated[str, typer.Option(help="Kind of node: base, bastion, kubernetes, log_collector or openstack_host.")] = "base",
    anew: Annotated[bool, typer.Option("--anew", help="Also when there is one made of the same.")] = False,
    json_: flags.Json = False,
) -> None:
    """Make a hardened Debian 13 image with the role that hardens nodes. Nothing in a cloud is changed. Needs root.

    The same role, packages and $SOURCE_DATE_EPOCH give the same tree; what is already made is not made again.

    Examples:

    \b
        lz image build
        lz image build --profile bastion --json
        SOURCE_DATE_EPOCH=1767225600 lz image build --anew
    """
    image = making.build(profile, Progress(), anew=anew)
    if json_:
        output.document(data(image))
        return
    output.table(["what", "value"], [[what, str(value)] for what, value in _lines(image)])


@app.command("list")
def list_(json_: flags.Json = False) -> None:
    """Show what is built, what `lz image build` was asked for last first. Reads files only.

    Examples:

    \b
        lz image list
        lz image list --json
    """
    found = making.every()
    if json_:
        output.document([data(image) for image in found])
        return
    rows = [[image.name, image.built, image.tree[:16], image.sha256[:16], mib(image.bytes), str(image.folder)] for image in found]
    output.table(["image", "built", "tree", "disk sha256", "MiB", "folder"], rows, numbers=("MiB",))


@app.command()
def publish(
    profile: Annotated[str, typer.Option(help="Kind of node whose image is taken, the one that was built last.")] = "base",
    env: flags.Env = flags.DEFAULT_ENV,
    regions: flags.Regions = None,
    direct: Annotated[
        bool, typer.Option("--direct-kernel", help="Start instances by the image's kernel in Glance, not by their disk.")
    ] = False,
    json_: flags.Json = False,
) -> None:
    """Upload the image that `lz image build` gave last into Glance of each region; one that is there already is left alone.

    Former images of the same name go when no server and no volume stands on them any more.

    Examples:

    \b
        lz image publish --env lab
        lz image publish --profile bastion --env lab --region north --json
    """
    image = _last(profile)
    planned, connections = _regions(env, regions)
    offer = sign(image, load(Home.of(planned.home).image_key), direct=direct)
    progress, done = Progress(), []
    for region, connection in connections.items():
        with progress.step(f"{region}: {image.name}"):
            done.append(upload(region, connection, offer))
    if json_:
        output.document([asdict(each) for each in done])
        return
    rows = [
        [each.region, each.id, "uploaded" if each.uploaded else "was there", str(len(each.removed)), str(len(each.kept))] for each in done
    ]
    output.table(["region", "image", "now", "removed", "kept in use"], rows, numbers=("removed", "kept in use"))


@app.command()
def verify(
    profile: Annotated[str, typer.Option(help="Kind of node whose images are looked at.")] = "base",
    env: flags.Env = flags.DEFAULT_ENV,
    regions: flags.Regions = None,
    json_: flags.Json = False,
) -> None:
    """Check that what Glance has is what this environment signed when it published. Reads only; downloads no image.

    Exit status 1 when one is not, or when a region has none.

    Examples:

    \b
        lz image verify --env lab
        lz image verify --profile bastion --env lab --json
    """
    planned, connections = _regions(env, regions)
    key = load(Home.of(planned.home).image_key).public_key()
    found = [each for region, connection in connections.items() for each in check(region, connection, name_of(profile), key)]
    if json_:
        output.document([asdict(each) for each in found])
    else:
        rows = [[each.region, each.name, each.id, "good" if each.good else "NOT GOOD" if each.id else "NONE"] for each in found]
        output.table(["region", "image", "id", "signature"], rows)
    if not all(each.good for each in found):
        raise typer.Exit(1)


def data(image: Image) -> dict[str, Any]:
    """One image for JSON."""
    return {**asdict(image), "folder": str(image.folder)}


def mib(size: int) -> str:
    """A number of bytes in MiB."""
    return f"{size / (1 << 20):.0f}"


def _lines(image: Image) -> list[tuple[str, object]]:
    return [
        ("image", image.name),
        ("tree", image.tree),
        ("disk sha256", image.sha256),
        ("MiB", mib(image.bytes)),
        ("packages", image.packages),
        ("folder", image.folder),
    ]


def _last(profile: str) -> Image:
    for image in making.every():
        if image.profile == profile:
            return image
    raise InputError(Problem(f"there is no image for {profile!r}", str(making.home()), cure=f"lz image build --profile {profile}"))


def _regions(env: str, regions: list[str] | None) -> tuple[EnvironmentPlan, Mapping[str, Connection]]:
    """The environment, and a connection to each region that is asked for."""
    planned, chosen, _ = open_offline(flags.asked(env, regions))
    return planned, sign_in(planned, chosen.regions or planned.regions)

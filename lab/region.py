"""One region from nothing to a cloud that answers, and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from foundation.process import run
from foundation.progress import Progress
from lab import bootstrap, cloud, health, hostnet, render, secrets, snapshot
from lab.compute import install
from lab.compute.kernel import KernelBuild
from lab.image import GuestImage
from lab.machine import Machine
from lab.pki import issue
from lab.settings import REGIONS, Places, Region


@dataclass(frozen=True)
class Ingredients:
    """What the slow, cached steps have made: the layers of a machine, and what its instances run on.

    compute: kvm, uml or qemu. kernel: of User Mode Linux, which may still be compiled; None for the other two.
    """

    layers: tuple[Path, ...]
    compute: str
    kernel: Future[KernelBuild] | None
    image: GuestImage


def machine_of(places: Places, region: Region, layers: tuple[Path, ...] = ()) -> Machine:
    """The region's machine. layers: needed only to mount its tree."""
    return Machine(f"lz-{region.name}", places.region(region), layers, region.netns)


def is_made(places: Places, region: Region) -> bool:
    """Whether the region was once brought up to the end, so that a start is enough; one whose reset was broken off is not whole."""
    return (places.region(region) / "made.json").exists() and not snapshot.unfinished(machine_of(places, region))


def lay_ground(places: Places, regions: Sequence[Region]) -> dict[str, dict[str, str]]:
    """What regions share and must not race for: secrets, clouds.yaml, lines. A half-made region is thrown away.

    Returns the secrets of every region that has files, by its name.
    """
    for region in regions:
        if not is_made(places, region):
            remove(places, region)
            places.region(region).mkdir(parents=True)
            # Its databases and passwords belong to accounts of the machine, whose numbers the host gives to others.
            places.region(region).chmod(0o700)
    known = sign_in(places, regions)
    for region in regions:
        hostnet.up(region, [other for other in REGIONS.values() if other is not region])
    return known


def sign_in(places: Places, fresh: Sequence[Region] = ()) -> dict[str, dict[str, str]]:
    """Write clouds.yaml with every region that has files, and with those that are `fresh`, whose secrets are made.

    Returns their secrets by name.
    """
    known = {
        name: secrets.load_or_make(places.region(region) / "secrets.json")
        for name, region in REGIONS.items()
        if region in fresh or (places.region(region) / "secrets.json").exists()
    }
    cloud.write_clouds_yaml(places, {name: values["admin"] for name, values in known.items()})
    return known


def bring_up(places: Places, region: Region, values: dict[str, str], using: Ingredients, progress: Progress) -> None:
    """Start the region if it was made before, else make it. `lay_ground` comes first and gives the secrets, `values`."""
    machine = machine_of(places, region, using.layers)
    machine.mount()
    if machine.leader() and is_made(places, region):
        progress.say(f"{region.name}: is running")
    elif is_made(places, region):
        with progress.step(f"{region.name}: start"):
            machine.start(places.logs / f"{region.name}-console.log", devices(using))
    else:
        _make(places, region, using, machine, values, progress)
    with progress.step(f"{region.name}: every service answers"):
        health.await_region(region, places, cloud.connect(region, places))
    if not is_made(places, region):
        with progress.step(f"{region.name}: snapshot for reset"):
            snapshot.take(machine)
        if using.kernel:
            with progress.step(f"{region.name}: kernel of its instances"):
                install.install_kernel(machine.root, using.kernel.result().path)
        (machine.home / "made.json").write_text(json.dumps({"compute": using.compute, "image": using.image.digest}))


def devices(using: Ingredients) -> Sequence[str]:
    """Device files of the host that the machine is lent."""
    return ("/dev/kvm",) if using.compute == "kvm" else ()


def _make(places: Places, region: Region, using: Ingredients, machine: Machine, values: dict[str, str], progress: Progress) -> None:
    with progress.step(f"{region.name}: configuration"):
        names = (f"{region.name}.lab.internal", "localhost")
        render.write(machine.root, region, values, issue(places.ca, places.root / "ca.key", region.api, names))
        shutil.copy(places.ca, machine.root / "usr/local/share/ca-certificates/lab.crt")
        # It makes files in $TMPDIR, and a folder of the host's is none of the machine's.
        without = ("env", "--unset=TMPDIR")
        run(["chroot", machine.root, *without, "update-ca-certificates"], log=places.logs / f"{region.name}-console.log")
        install.install(machine.root, using.compute)
    with progress.step(f"{region.name}: boot"):
        machine.start(places.logs / f"{region.name}-console.log", devices(using))
    with progress.step(f"{region.name}: Keystone and what all need"):
        bootstrap.start_foundations(machine, region, values)
    with progress.step(f"{region.name}: service users and catalogue"):
        connection = cloud.connect(region, places)
        cloud.await_identity(connection)
        cloud.register_services(connection, region, values)
    bootstrap.start_others(machine)
    with progress.step(f"{region.name}: cloud content"):
        _fill(places, region, using.image, machine)


def _fill(places: Places, region: Region, image: GuestImage, machine: Machine) -> None:
    """Everything that a region offers its first user; the parts do not depend on each other."""

    def outer_network() -> None:
        connection = cloud.connect(region, places)
        health.await_service(region, places, "neutron")
        cloud.close_default_rules(connection)
        cloud.ensure_outer_network(connection, region)

    def images() -> None:
        health.await_service(region, places, "glance")
        cloud.publish_guest(cloud.connect(region, places), image)

    def compute() -> None:
        health.await_service(region, places, "nova")
        cloud.ensure_flavors(cloud.connect(region, places))
        bootstrap.map_compute_host(machine)

    def volumes() -> None:
        health.await_service(region, places, "cinder")
        cloud.ensure_volume_type(cloud.connect(region, places))

    def names() -> None:
        health.await_service(region, places, "designate")
        bootstrap.publish_name_servers(machine)

    with ThreadPoolExecutor(5) as pool:
        for future in [pool.submit(part) for part in (outer_network, images, compute, volumes, names)]:
            future.result()


def stop(places: Places, region: Region) -> None:
    """Clean shutdown; everything stays on disk for a warm start."""
    machine = machine_of(places, region)
    machine.power_off()
    machine.unmount()
    hostnet.down(region)


def remove(places: Places, region: Region) -> None:
    """End the region and delete all that was its own."""
    machine_of(places, region).destroy()
    hostnet.down(region)

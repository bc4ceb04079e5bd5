"""An image in Glance: uploaded once with what it is made of, and its forerunners removed when nothing stands on them any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from openstack.connection import Connection

from foundation import digest
from foundation.errors import LzError, Problem
from landing_zone.image import signature
from landing_zone.image.build import Image

MARK = "lz_sha256"
"""Property with the SHA-256 of the file that was uploaded; an image without it is not ours."""
PARTS = ("kernel_id", "ramdisk_id")


@dataclass(frozen=True)
class Known:
    """One of our images in a region. parts: ids of the kernel and initrd that it starts by, none for these themselves.

    sum: Glance's own of its content, if it is of the kind that is signed. signature: "" when it has none.
    owner: id of the project that uploaded it.
    """

    id: str
    name: str
    sha256: str
    active: bool
    parts: frozenset[str] = frozenset()
    sum: str = ""
    signature: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Piece:
    """A file that Glance is to have under a name. sha256: of its content. signature: over name and content.

    forms: of the disk and of the container, as Glance calls them.
    """

    name: str
    file: Path
    sha256: str
    signature: str
    forms: tuple[str, str]


@dataclass(frozen=True)
class Offer:
    """An image that is signed. parts: by the property that names them, its kernel and initrd where instances start by these."""

    image: Image
    disk: Piece
    parts: Mapping[str, Piece]


@dataclass(frozen=True)
class Published:
    """What was done in one region: id of the image, whether it was uploaded now, and which forerunners went and which stay."""

    region: str
    id: str
    uploaded: bool
    removed: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Verified:
    """Whether an image in a region is one that the environment signed, and has that content still. id: "" where there is none."""

    region: str
    id: str
    name: str
    good: bool


def sign(image: Image, key: Ed25519PrivateKey, *, direct: bool = False) -> Offer:
    """The image with the key's signature, for any number of regions. Raises LzError when the disk is not what its record says.

    direct: instances get the kernel and initrd of the day of the build from outside, and never the one on their disk.
    """
    name, *others = _names(image.name)
    disk = _piece(name, image.disk, key, ("qcow2", "bare"))
    if disk.sha256 != image.sha256:
        cure = "make it again: lz image build --anew"
        raise LzError(Problem("the disk is not what was built", str(image.disk), "its SHA-256 is another than image.json has", cure))
    boot = zip(PARTS, others, (image.kernel, image.initrd), ("aki", "ari"), strict=True)
    parts = {part: _piece(other, file, key, (form, form)) for part, other, file, form in boot if direct}
    return Offer(image, disk, parts)


def publish(region: str, connection: Connection, offer: Offer) -> Published:
    """Let every project of a region use the image."""
    image = offer.image
    # Of any other project it is no forerunner, whatever it says of itself: who may read our properties may copy them.
    mine = connection.current_project_id
    before = [known for name in _names(image.name) for known in _known(connection, name) if known.owner == mine]
    told = {**image.properties, "min_disk": image.min_disk, "min_ram": image.min_ram}  # scs-0102 asks it of every public image
    parts = {part: _ensure(connection, before, piece, told)[0] for part, piece in offer.parts.items()}
    current, uploaded = _ensure(connection, before, offer.disk, {**told, **parts})
    everything = [
        *(known for known in before if known.id != current),
        Known(current, image.name, image.sha256, True, frozenset(parts.values())),
    ]
    gone, kept = forerunners(everything, current, in_use(connection))
    for each in gone:
        connection.image.delete_image(each, ignore_missing=True)
    return Published(region, current, uploaded, gone, kept)


def verify(region: str, connection: Connection, image: str, key: Ed25519PublicKey) -> list[Verified]:
    """What is said of all our images of that name in a region, and of the kernels that they start by. Downloads nothing.

    What Glance gives out has the sum that it keeps: whoever downloads compares, Nova too. Which kernel an image starts by is a
    property that nobody signed: it is good with such only as are good themselves.
    """
    ours = [known for name in _names(image) for known in _known(connection, name) if known.active]
    good = {each.id: signature.holds(key, each.name, each.sum, each.signature) for each in ours}
    found = [Verified(region, each.id, each.name, good[each.id] and all(good.get(part) for part in each.parts)) for each in ours]
    return found if any(each.name == image for each in ours) else [Verified(region, "", image, False), *found]


def forerunners(everything: Iterable[Known], current: str, used: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of our images that go, disks before their kernels, and ids of the old disks that stay because something stands on them.

    everything: our images, the current one with its parts among them. used: ids of images that servers or volumes name.
    """
    known = {each.id: each for each in everything}
    kept = tuple(each.id for each in known.values() if each.id in used and each.id != current)
    needed = {current, *kept} | {part for name in (current, *kept) for part in known[name].parts}
    gone = sorted((each for each in known.values() if each.id not in needed), key=lambda each: not each.parts)
    return tuple(each.id for each in gone), kept


def in_use(connection: Connection) -> frozenset[str]:
    """Ids of all images that a server or a volume of any project was made of."""
    compute: Any = connection.compute
    storage: Any = connection.block_storage
    servers = ((server.image or {}).get("id") for server in compute.servers(all_projects=True))
    volumes = ((volume.volume_image_metadata or {}).get("image_id") for volume in storage.volumes(all_projects=True))
    return frozenset(each for found in (servers, volumes) for each in found if each)


def _names(image: str) -> tuple[str, str, str]:
    return image, f"{image}-kernel", f"{image}-ramdisk"


def _known(connection: Connection, name: str) -> list[Known]:
    images: Any = connection.image
    found = []
    for entry in images.images(name=name):
        more: Mapping[str, Any] = entry.properties or {}
        if MARK in more:
            parts = frozenset(filter(None, (getattr(entry, part, None) or more.get(part) for part in PARTS)))
            total = str(entry.hash_value or "") if entry.hash_algo == signature.ALGORITHM else ""
            active = entry.status == "active"
            found.append(Known(entry.id, entry.name, more[MARK], active, parts, total, more.get(signature.PROPERTY, ""), entry.owner_id))
    return found


def _piece(name: str, file: Path, key: Ed25519PrivateKey, forms: tuple[str, str]) -> Piece:
    sha256, signed = digest.sums(file, "sha256", signature.ALGORITHM)
    return Piece(name, file, sha256, signature.sign(key, name, signed), forms)


def _ensure(connection: Connection, known: Iterable[Known], piece: Piece, attributes: Mapping[str, Any]) -> tuple[str, bool]:
    """Id of the image with this content, signature and parts, and whether it was uploaded now."""
    parts = frozenset(attributes[part] for part in PARTS if part in attributes)
    wanted = (piece.name, piece.sha256, parts, piece.signature)
    for each in known:
        if each.active and (each.name, each.sha256, each.parts, each.signature) == wanted:
            return each.id, False
    images: Any = connection.image
    disk_format, container_format = piece.forms
    made = images.create_image(  # duplicates: without, the library looks for the one image of that name, and forerunners may stay
        piece.name, filename=str(piece.file), wait=True, allow_duplicates=True, visibility="public", disk_format=disk_format,
        container_format=container_format, **{MARK: piece.sha256, signature.PROPERTY: piece.signature}, **attributes,
    )  # fmt: skip
    return str(made.id), True

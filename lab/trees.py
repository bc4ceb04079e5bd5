"""The cached layers under every region: the base tree of packages, and the seed with databases whose schemas are made.

Both are keyed by the digest of what they are made from, and neither holds a secret that a region uses.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from foundation import digest, files
from foundation.process import run
from foundation.progress import Progress
from lab import debian, hostnet, render, secrets
from lab.daemons import EVERY_UNIT, MASKED, NEUTRON_FILES, drop_ins
from lab.machine import Machine
from lab.pki import ensure_authority, issue
from lab.settings import CODE, OPENSTACK, Places, Region

SEED_REGION = Region("seed", 7)
DATABASES = {  # service -> its databases
    "keystone": ("keystone",), "glance": ("glance",), "placement": ("placement",), "nova": ("nova_api", "nova", "nova_cell0"),
    "neutron": ("neutron",), "cinder": ("cinder",), "octavia": ("octavia",), "barbican": ("barbican",), "designate": ("designate",),
}  # fmt: skip
# Two lanes of about the same length: the machines have two cores.
LANES = (
    (
        ("nova", "nova-manage api_db sync"),
        ("nova", "nova-manage cell_v2 map_cell0 --database_connection '{scheme}://{username}:{password}@{hostname}/nova_cell0?{query}'"),
        (
            "nova",
            "nova-manage cell_v2 create_cell --name=cell1 --transport-url '{scheme}://{username}:{password}@{hostname}:{port}/{path}'"
            " --database_connection '{scheme}://{username}:{password}@{hostname}/{path}?{query}'",
        ),
        ("nova", "nova-manage db sync"),
        ("barbican", "barbican-manage db upgrade"),
        ("designate", "designate-manage database sync"),
    ),
    (
        ("neutron", f"neutron-db-manage {NEUTRON_FILES} upgrade heads"),
        ("keystone", "keystone-manage db_sync"),
        ("cinder", "cinder-manage db sync"),
        ("glance", "glance-manage db_sync"),
        ("octavia", "octavia-db-manage upgrade head"),
        ("placement", "placement-manage db sync"),
    ),
)


def packages() -> list[str]:
    return files.words(CODE / "packages.txt")


def base_digest() -> str:
    return digest.of_texts("base 1", debian.SUITE, *debian.LEAN, *packages())


def seed_digest() -> str:
    """Changes with the packages and with what shapes the seed; configuration is written anew for each region and does not."""
    code = [CODE / name for name in ("config/etc/mysql", "trees.py", "daemons.py")]
    return digest.of_trees(code, base_digest())


def ensure_base(places: Places, progress: Progress) -> Path:
    """The base tree, built if it is not cached."""
    tree = places.base(base_digest())
    if not tree.exists():
        tree.parent.mkdir(parents=True, exist_ok=True)
        with progress.step("base tree: Debian packages (once)"):
            debian.build_tree(tree, packages(), places.logs / "base.log", progress.say)
    return tree


def ensure_seed(places: Places, base: Path, progress: Progress) -> Path:
    """The seed layer, made if it is not cached: boots a machine without network on the base tree and makes the schemas."""
    layer = places.seed(seed_digest())
    if not layer.exists():
        layer.parent.mkdir(parents=True, exist_ok=True)
        with progress.step("seed: units and database schemas (once)"):
            _make_seed(places, base, layer)
    _forget_others(layer)
    return layer


def _forget_others(layer: Path) -> None:
    """An older seed is of no more use; keep the disk free of it."""
    for other in layer.parent.iterdir():
        if other != layer:
            debian.remove_tree(other)


def _make_seed(places: Places, base: Path, layer: Path) -> None:
    machine = Machine("lz-seed", places.root / "seed" / "build", (base,), SEED_REGION.netns)
    machine.destroy()
    machine.home.mkdir(parents=True)
    throw_away = secrets.load_or_make(machine.home / "secrets.json")
    ca, key = machine.home / "ca.pem", machine.home / "ca.key"
    ensure_authority(ca, key)
    hostnet.ensure_namespace(machine.netns)
    try:
        machine.mount()
        prepare(machine.root)
        render.write(machine.root, SEED_REGION, throw_away, issue(ca, key, SEED_REGION.api, ()))
        machine.start(places.logs / "seed-console.log")
        machine.inside("systemctl", "start", "mariadb")
        machine.inside("mariadb", stdin=database_users(throw_away))
        machine.inside("bash", "-c", _lanes_script(), log=places.logs / "seed.log")
        machine.inside("systemctl", "stop", "mariadb")
        machine.power_off()
        machine.unmount()
        for junk in ("var/log/journal", "run", "tmp"):
            shutil.rmtree(machine.upper / junk, ignore_errors=True)
        machine.upper.rename(layer)
    finally:
        machine.destroy()
        hostnet.remove_namespace(machine.netns)


def _lanes_script() -> str:
    """Both lanes side by side; ends with an error as soon as one of them does."""
    lanes = []
    for lane in LANES:
        steps = " && ".join(f"runuser -u {user} -- {command}" for user, command in lane)
        lanes.append(f"( {steps} ) & pids+=($!)")
    return "pids=(); " + "\n".join(lanes) + '\nfor pid in "${pids[@]}"; do wait "$pid" || exit 1; done'


def database_users(values: dict[str, str]) -> str:
    """SQL that makes every database and gives each service its own user; safe to repeat with other passwords."""
    lines = []
    for service, names in DATABASES.items():
        lines.append(f"CREATE OR REPLACE USER '{service}'@'127.0.0.1' IDENTIFIED BY '{values[f'db_{service}']}';")
        for name in names:
            lines.append(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;")
            lines.append(f"GRANT ALL ON {name}.* TO '{service}'@'127.0.0.1';")
    return "\n".join(lines)


def prepare(root: Path) -> None:
    """Everything in the tree that no region differs in: units, folders, rings, stand-ins for what a container lacks."""
    for name, text in drop_ins().items():
        file = root / "etc/systemd/system" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    # "NFS" without NFS: on one machine the share is a folder, so mounting it is a bind mount.
    _script(root, "sbin/mount.nfs", 'exec mount --bind "${1#*:}" "$2"')
    # Open vSwitch's start script would try to load modules into the host's kernel.
    _script(root, "usr/local/sbin/modprobe", "exit 0")
    folders = {"srv/cinder": "cinder", "srv/node/d1": "swift", "var/lib/glance/images": "glance", "var/lib/glance/staging": "glance",
               "var/lib/glance/tasks": "glance"}  # fmt: skip
    for folder, user in folders.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        run(["chroot", root, "chown", f"{user}:{user}", f"/{folder}"])
    run(["chroot", root, "chown", "swift:swift", "/srv/node"])
    run(["chroot", root, "chmod", "770", "/var/cache/bind"])
    # Nova and Cinder both write volumes of the share.
    run(["chroot", root, "usermod", "--append", "--groups", "cinder", "nova"])
    (root / "srv/cinder").chmod(0o2770)
    ring = " && ".join(
        f"swift-ring-builder {name}.builder create 6 1 1"
        f" && swift-ring-builder {name}.builder add --region 1 --zone 1 --ip 127.0.0.1 --port {port} --device d1 --weight 1"
        f" && swift-ring-builder {name}.builder rebalance"
        for name, port in (("account", 6202), ("container", 6201), ("object", 6200))
    )
    run(["chroot", root, "sh", "-c", f"cd /etc/swift && rm -f *.builder *.ring.gz && {ring}"])
    for link in (root / "etc/systemd/system").glob("*.wants/*"):
        if link.stem in EVERY_UNIT or link.name.startswith(OPENSTACK):
            link.unlink()
    run(["systemctl", f"--root={root}", "--quiet", "mask", *MASKED])


def enable(root: Path) -> None:
    """Let every unit start at boot. Links are made by hand: systemctl would run Debian's SysV tools once per unit."""
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    for unit in EVERY_UNIT:
        link = wants / f"{unit}.service"
        if not link.is_symlink():
            home = "/etc/systemd/system" if (root / "etc/systemd/system" / link.name).exists() else "/lib/systemd/system"
            link.symlink_to(f"{home}/{link.name}")


def _script(root: Path, name: str, body: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)

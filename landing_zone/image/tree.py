"""A copy of the base tree on which the playbook works as on a node: mounted for a while, with what programs in it need."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from foundation.places import CHECKOUT
from foundation.process import run
from lab.debian import archives, mounts_below, remove_tree
from landing_zone.image.contents import EPOCH

PLAYBOOK = CHECKOUT / "playbooks" / "image.yml"
# Packages that are configured in a tree would start their services on this machine.
NO_SERVICES = "#!/bin/sh\nexit 101\n"
FROM_HERE = ("resolv.conf", "hosts")


@contextlib.contextmanager
def copy(base: Path, home: Path, above: Path | None = None) -> Iterator[Path]:
    """A copy of the tree `base` for the block, at home/root; it shares what is not changed. All of `home` goes afterwards.

    above: a folder of further files that are seen over the tree's own.
    """
    clear(home)
    try:
        for part in ("upper", "work", "root"):
            (home / part).mkdir(parents=True)
        root = home / "root"
        layers = f"lowerdir={f'{above}:' if above else ''}{base},upperdir={home / 'upper'},workdir={home / 'work'}"
        run(["mount", "-t", "overlay", "overlay", "-o", layers, root])
        yield root
    finally:
        clear(home)


def clear(home: Path) -> None:
    """Take a copy away, also what a killed run left of one."""
    for point in mounts_below(home):
        run(["umount", point])
    remove_tree(home)


def harden(root: Path, variables: Mapping[str, object], epoch: int, log: Path, say: Callable[[str], object]) -> None:
    """Run the playbook on the tree. variables: of the role. epoch: date of what it makes. say: hears that another run is waited for.

    Raises CommandFailed with the end of `log`.
    """
    with _alive(root, say), _own_files(root):
        inventory = {"all": {"hosts": {"image": {"ansible_connection": "tree", "ansible_host": str(root)}}}}
        with_python = {"ansible_python_interpreter": "/usr/bin/python3", **variables}
        folder = root.parent
        (folder / "inventory.yaml").write_text(json.dumps(inventory))
        (folder / "variables.json").write_text(json.dumps(with_python))
        program = Path(sys.executable).with_name("ansible-playbook")
        environment = {
            "ANSIBLE_ROLES_PATH": str(CHECKOUT / "roles"),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_INJECT_FACT_VARS": "0",
            EPOCH: str(epoch),
        }
        run(
            [program, "-i", folder / "inventory.yaml", "-e", f"@{folder / 'variables.json'}", PLAYBOOK],
            env=environment,
            log=log,
            cure="look at the log; check that the Debian mirror answers, then run again: what was downloaded is kept",
        )


@contextlib.contextmanager
def _alive(root: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Mount what programs look for, and the packages that were downloaded before; one user of those at a time."""
    with archives(say) as downloaded:
        try:
            run(["mount", "-t", "proc", "proc", root / "proc"])
            run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "run"])
            run(["mount", "--bind", downloaded, root / "var/cache/apt/archives"])
            yield
        finally:
            for point in mounts_below(root):
                if Path(point) != root:
                    run(["umount", point])


@contextlib.contextmanager
def _own_files(root: Path) -> Iterator[None]:
    """This machine's name resolution while packages are fetched, then the tree's own again; no services are started."""
    kept = root.parent / "kept"
    kept.mkdir()
    for name in FROM_HERE:
        own = root / "etc" / name
        if own.is_symlink() or own.exists():
            shutil.move(own, kept / name)
        shutil.copy(Path("/etc") / name, own)
    guard = root / "usr/sbin/policy-rc.d"
    guard.write_text(NO_SERVICES)
    guard.chmod(0o755)
    yield
    for name in FROM_HERE:
        own = root / "etc" / name
        own.unlink()
        if (kept / name).is_symlink() or (kept / name).exists():
            shutil.move(kept / name, own)

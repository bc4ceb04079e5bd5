"""A machine that is not fit gets one message with everything that is missing, before anything is changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from foundation import lock
from foundation.errors import BusyError, InputError
from foundation.places import CHECKOUT
from foundation.progress import Progress
from lab import hostnet, lifecycle, requirements
from lab.settings import Places

Usage = namedtuple("Usage", "total used free")


KERNEL = {
    "etc/machine-id": "uninitialized\n",
    "proc/filesystems": "nodev\tproc\nnodev\ttmpfs\n\text4\n",
    "proc/meminfo": "MemTotal:        3670016 kB\n",
    "proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
}
"""Files of a machine with 3.5 GiB whose kernel offers nothing that the lab is made of; below its root."""
LACKING = (
    "needs root", "apt-get install", "systemd-container", "flex", "no overlay file system", "/proc/filesystems", "has no id",
    *(f"no {kind} namespaces" for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup")), "/dev/net/tun is missing",
    "no cgroup version 2", "1.0 GiB of disk", "3.5 GiB of memory", "with more memory",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that is broken fails its test, and neither makes a lab nor takes away the one that stands."""
    for name in ("_bring_up", "_take_back", "_remove_all"):
        monkeypatch.setattr(lifecycle, name, lambda *_, said=f"it came to {name}": pytest.fail(said))


@pytest.fixture
def poor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without root, programs, namespaces, overlays, taps, cgroups, disk and memory; the cache that it would get."""
    machine = tmp_path / "machine"
    for name, text in KERNEL.items():
        (machine / name).parent.mkdir(parents=True, exist_ok=True)
        (machine / name).write_text(text)
    monkeypatch.setattr(requirements, "Path", lambda name: machine / name.lstrip("/"))
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 9, 1 << 30))
    return tmp_path / "cache"


def test_everything_missing_is_named_at_once_and_nothing_is_made(poor: Path) -> None:
    with pytest.raises(InputError) as caught:
        lifecycle.up(("north", "south"), "auto", Progress())
    text = str(caught.value)
    assert [part for part in LACKING if part not in text] == []
    assert [problem.what for problem in caught.value.problems if not problem.cure] == []
    assert not poor.exists()


NO_PACKAGES = 'import sys; sys.path.insert(0, "."); from lab import requirements; from foundation.errors import exit_code; '


def test_what_no_package_cures_is_asked_before_there_are_any(poor: Path) -> None:
    """By Python's own library alone; `make up` would install Debian's packages first, and then tell of too little memory."""
    told = "\n".join(map(str, requirements.unfit(Places(poor / "lab"), ("north", "south"))))
    assert [part for part in LACKING if part not in told] == ["apt-get install", "systemd-container", "flex", "has no id"]
    look = f"{NO_PACKAGES}requirements.memory_gib = lambda *_: 3.5; sys.exit(exit_code(requirements.main))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", look], cwd=CHECKOUT, check=False, capture_output=True, text=True)
    assert (done.returncode, "3.5 GiB of memory" in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_an_overlay_that_the_first_mount_loads_is_there(poor: Path) -> None:
    """A fresh Debian or Ubuntu has it as a module that nobody has needed yet."""
    modules = poor.with_name("machine") / "lib/modules" / os.uname().release / "modules.dep"
    modules.parent.mkdir(parents=True)
    modules.write_text("kernel/fs/fuse/fuse.ko:\n")
    assert not requirements._has_overlay()
    modules.write_text("kernel/fs/fuse/fuse.ko.xz:\nkernel/fs/overlayfs/overlay.ko.xz:\n")
    assert requirements._has_overlay()


@pytest.mark.parametrize(("where", "told"), [("/var/cache/lz/lab", True), ("/srv/cache/lab", False)])
def test_a_cache_on_the_disk_of_a_container_carries_no_machine(where: str, told: bool, poor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mount would fail when all packages are there, and not say why."""
    lines = (
        "22 1 0:40 / / rw - overlay overlay rw", "23 22 8:1 / /srv rw shared:1 - ext4 /dev/sda1 rw",
        "24 23 0:41 / /srv/other rw - overlay overlay rw",
    )  # fmt: skip
    (poor.with_name("machine") / "proc/self/mountinfo").write_text("\n".join(lines))
    found = [problem for problem in requirements.missing(Places(Path(where)), []) if "on an overlay" in problem.what]
    assert bool(found) is told


def test_an_unknown_region_is_named_with_the_known_ones(poor: Path) -> None:
    with pytest.raises(InputError) as caught:
        lifecycle.up(("east",), "auto", Progress())
    assert "no region 'east'" in str(caught.value)
    assert "north, south" in str(caught.value)


@pytest.mark.parametrize(
    ("memory", "wanted", "stay", "cure"),
    [
        (11.0, ["north", "south"], [], "run one region: lz lab up --region north"),
        (11.0, ["north", "south"], ["north"], "run one region: lz lab up --region north"),
        (11.0, ["south"], ["north"], "take what stands away first: lz lab down && lz lab up --region south"),
        (6.0, ["south"], ["north"], "use a machine with more memory"),
        (6.0, ["south"], [], "use a machine with more memory"),
    ],
)
def test_where_memory_is_short_the_cure_is_one_that_helps(
    memory: float, wanted: list[str], stay: list[str], cure: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever asks for the second region is not told to bring up the first, which stands."""
    monkeypatch.setattr(requirements, "memory_gib", lambda: memory)
    found = [problem for problem in requirements.missing(Places(tmp_path), wanted, stay) if "GiB of memory" in problem.what]
    assert re.fullmatch(cure, found[0].cure)
    assert found[0].why == ("north stands and would stay" if stay and wanted == ["south"] else "")


@pytest.mark.parametrize(
    ("free", "held", "needed"),
    [(21, 0, None), (19, 0, "20.0"), (19, 2, None), (5, 18, None), (2, 18, "3.0"), (2, 30, "3.0"), (4, 10, "10.0")],
)
def test_what_is_cached_needs_no_disk_any_more(
    free: int, held: int, needed: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 << 30, 9, free << 30))
    monkeypatch.setattr(requirements, "taken", lambda folder: {tmp_path: held << 30}[folder])
    found = [problem for problem in requirements.missing(Places(tmp_path / "lab"), ["north"]) if "GiB of disk" in problem.what]
    assert [problem.what for problem in found] == ([f"{free}.0 GiB of disk are free, {needed} are needed"] if needed else [])


def test_the_disk_that_a_cache_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with two names counts once, and what is mounted in it not at all."""
    for name in ("tree/file", "mounted/file"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(1 << 20))
    (tmp_path / "tree/again").hardlink_to(tmp_path / "tree/file")
    (tmp_path / "tree/link").symlink_to("nowhere")
    monkeypatch.setattr(os.path, "ismount", lambda path: path == f"{tmp_path}/mounted")
    assert 1 << 20 <= requirements.taken(tmp_path) < 2 << 20
    assert requirements.taken(tmp_path / "none") == 0


def test_the_readme_says_how_much_disk_is_asked_for() -> None:
    assert re.findall(r"(\d+) GiB of free disk", (CHECKOUT / "README.md").read_text()) == [str(requirements.DISK_GIB)]


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who can give up what root may do")
@pytest.mark.parametrize("confined", [False, True])
def test_root_of_a_container_that_may_not_do_all_is_told(confined: bool, tmp_path: Path) -> None:
    """All that the kernel offers is there, and the first to say so would be mmdebstrap, which blames the mirror."""
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"] if confined else []
    look = (
        "from pathlib import Path; from lab import requirements; from lab.settings import Places;"
        f"print(*requirements.missing(Places(Path('{tmp_path}')), []))"
    )
    told = subprocess.run([*without, sys.executable, "-c", look], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    assert ("no namespaces and mounts" in told) is confined
    assert ("privileged" in told) is confined


@pytest.mark.parametrize(
    ("route", "strange"),
    [
        ({"dst": "198.18.0.0/16", "dev": "tun0"}, True),
        ({"dst": "198.18.1.0/24", "gateway": "10.0.0.1", "dev": "eth0"}, True),
        ({"type": "local", "dst": "198.19.0.1", "dev": "tun0", "table": "local"}, True),
        ({"dst": "198.18.0.0/15", "nexthops": [{"dev": "tun0"}, {"dev": "tun1"}]}, True),
        ({"dst": "default", "gateway": "10.0.0.1", "dev": "eth0"}, False),
        ({"dst": "198.0.0.0/8", "dev": "eth0"}, False),
        ({"dst": "198.18.0.0/30", "dev": "lz-north"}, False),
        ({"type": "local", "dst": "198.18.16.1", "dev": "lz-south", "table": "local"}, False),
        ({"type": "unreachable", "dst": "198.18.0.0/15", "metric": 4000000000}, False),
    ],
    ids=lambda value: value["dst"] if isinstance(value, dict) else "",
)
def test_a_machine_that_uses_the_labs_addresses_is_not_fit(
    route: dict[str, str], strange: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A VPN's route would get the calls to the lab's first region, or be replaced and never put back."""
    monkeypatch.setattr(hostnet, "ip", lambda *_: json.dumps([route]))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/sbin/{name}")
    found = [problem for problem in requirements.missing(Places(tmp_path), ["north"]) if "other routes" in problem.what]
    assert [problem.where.split()[0] for problem in found] == ([route["dst"]] if strange else [])


def test_one_region_is_the_default_under_16_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "memory_gib", lambda: 11.0)
    assert requirements.default_regions() == ("north",)
    monkeypatch.setattr(requirements, "memory_gib", lambda: 15.6)
    assert requirements.default_regions() == ("north", "south")


def test_a_lab_of_another_cache_is_named_and_ours_is_not(tmp_path: Path) -> None:
    line = "42 1 0:35 / {}/regions/{}/root rw,relatime - overlay overlay rw"
    mounts = "\n".join(line.format(lab, region) for lab in (tmp_path / "lab", Path("/srv/other/lab")) for region in ("north", "south"))
    assert requirements.other_labs(Places(tmp_path / "lab"), mounts) == [Path("/srv/other/lab")]


def test_two_runs_at_once_are_refused_with_the_holder_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    with lock.exclusive(Places(tmp_path / "lab").lock, "the test"), pytest.raises(BusyError) as caught:
        lifecycle.down(Progress())
    assert f"process {os.getpid()}" in str(caught.value)

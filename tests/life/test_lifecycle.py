"""The lab from nothing to nothing: killed, tried twice at once, taken down; the host is as it was.

These tests take down a lab that stands, so they run last.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from foundation.places import cache_root
from foundation.progress import Progress
from lab import cloud, debian, lifecycle
from lab.census import Census
from lab.hostnet import namespaces
from lab.region import machine_of
from lab.settings import REGIONS, places
from tests.support import resets
from tests.support.command import kill, lz, read_until, start
from tests.support.host import look
from tests.support.playground import Playground
from tests.support.processes import Watcher
from tests.support.sealed import fresh_copy
from tests.support.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
UP = ("lab", "up", "--region", "north")


@pytest.fixture(scope="module")
def empty() -> Census:
    """The host without a lab; what the two regions of the tests before may have left is not taken for the host's own."""
    done = lz("lab", "down")
    assert done.returncode == 0, done.stderr
    found = look()
    lines = [line for kind in vars(found).values() for line in kind]
    assert [line for line in lines if "lz-" in line or "198.18." in line or f"{cache_root()}/lab/" in line] == []
    assert "/run/netns" not in found.mounts or namespaces(), "`ip` made it for the lab's, and nobody else uses it"
    return found


def test_killed_half_way_down_leaves_the_host_as_it_was(empty: Census) -> None:
    process = start(*UP)
    read_until(process, "north: Keystone and what all need ...")
    time.sleep(3)
    kill(process)
    assert empty.differences(look()), "the census saw nothing of half a lab: it proves nothing"
    assert lz("lab", "down").returncode == 0
    assert empty.differences(look()) == []


def test_killed_half_way_up_goes_on_and_a_second_run_beside_it_is_refused(empty: Census) -> None:
    process = start(*UP)
    read_until(process, "north: service users and catalogue ...")
    kill(process)
    again = start(*UP)
    read_until(again, "north: configuration ...")  # by now it has made secrets of its own: those of the killed run are gone
    secrets = json.loads((places().region(REGIONS["north"]) / "secrets.json").read_text())
    with Watcher(secrets.values()) as watcher:
        read_until(again, "north: Keystone and what all need ...")
        second = lz(*UP)
        assert second.returncode == 3
        assert f"process {again.pid}" in second.stderr
        assert again.stderr
        rest = again.stderr.read()
        assert again.wait() == 0, rest[-3000:]
    assert lz("lab", "doctor").returncode == 0
    assert watcher.seen("mariadbd"), "the watch saw nothing of the machine: it proves nothing"
    # Keystone is told its first password by its environment, which root alone can read.
    assert [line for line in watcher.found if line.endswith("/environ")], "the watch saw no secret of this run: it proves nothing"
    assert [line for line in watcher.found if line.endswith("/cmdline")] == []


def test_a_region_whose_reset_was_killed_is_made_anew_by_up(empty: Census) -> None:
    """Its databases are stopped then, and nobody would start them: `up` would wait for its services until it gave up."""
    resets.kill_one(machine_of(places(), REGIONS["north"]))
    done = lz(*UP)
    assert done.returncode == 0, done.stderr
    assert "north: its reset was broken off" in done.stderr
    assert lz("lab", "doctor").returncode == 0


def test_a_kept_lab_starts_again_with_its_data(empty: Census, tmp_path: Path) -> None:
    """Its instances too: what they wrote last is on their disks, also on a volume that was plugged while they ran."""
    where = places()
    admin = cloud.connect(REGIONS["north"], where)
    storage: Any = admin.block_storage
    volume = storage.wait_for_status(storage.create_volume(size=1, name="kept"), "available", interval=1, wait=60)
    with Playground(admin, "kept", tmp_path) as ground:
        box = ground.await_ssh(ground.await_active(ground.launch("box")))
        ground.attach(box, volume)
        device = f"/dev/disk/by-id/virtio-{volume.id[:20]}"
        ground.ssh(box, f"sudo mkfs.ext4 -q {device} && sudo mount {device} /mnt")
        ground.ssh(box, "seq 300000 | sudo tee /mnt/numbers /var/tmp/numbers >/dev/null")  # in memory for the most part
        assert lz("lab", "down", "--keep").returncode == 0
        kept = [line for line in empty.differences(look()) if "files" not in line]
        assert [line.split()[:4] for line in kept] == [["+", "routes:", "unreachable", "198.18.0.0/15"]], "clouds.yaml stays as well"
        assert lifecycle.running(where) == ()
        done = lz(*UP)
        assert done.returncode == 0, done.stderr
        ground.await_ssh(ground.await_active(box))
        ground.ssh(box, f"sudo mount {device} /mnt && seq 300000 | cmp - /mnt/numbers && seq 300000 | cmp - /var/tmp/numbers")
        assert "recovery" not in ground.ssh(box, "sudo dmesg | grep EXT4-fs"), "a disk was not cleanly unmounted"


def test_a_lab_made_by_other_code_is_known_and_rebuilt(empty: Census, tmp_path: Path) -> None:
    """Another checkout finds the lab that stands. The same code takes it for its own, other code makes it anew."""
    copy = fresh_copy(tmp_path / "copy")

    def there(*words: str) -> subprocess.CompletedProcess[str]:
        program = "from landing_zone.cli import main; raise SystemExit(main())"
        return subprocess.run([sys.executable, "-c", program, *words], cwd=copy, check=False, capture_output=True, text=True)

    def own() -> object:
        return json.loads(there("lab", "status", "--json").stdout)["own"]

    assert own() is True
    settings = copy / "lab/settings.py"
    settings.write_text(settings.read_text() + "# another line\n")
    assert own() is False
    done = there(*UP)
    assert done.returncode == 0, done.stderr
    assert "made by other code" in done.stderr
    assert own() is True
    assert json.loads(lz("lab", "status", "--json").stdout)["own"] is False


def test_a_failed_up_leaves_the_host_as_it_was_and_keeps_the_logs(empty: Census, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lz("lab", "down").returncode == 0

    def broken(*args: object) -> None:
        raise RuntimeError("made to fail")

    monkeypatch.setattr("lab.bootstrap.publish_name_servers", broken)
    with pytest.raises(RuntimeError, match="made to fail"):
        lifecycle.up(("north",), "auto", Progress())
    assert empty.differences(look()) == []
    assert (places().logs / "failed-north" / "keystone").is_dir()


def test_down_leaves_the_host_as_it_was_and_can_be_repeated(empty: Census) -> None:
    assert lz(*UP).returncode == 0
    seen = empty.differences(look())
    assert {kind.split(":")[0] for kind in seen} >= {"+ mounts", "+ namespaces", "+ links", "+ routes", "+ processes"}
    assert lz("lab", "down").returncode == 0
    assert empty.differences(look()) == []
    assert lz("lab", "down").returncode == 0
    left = [path.name for path in places().root.iterdir()]
    assert set(left) <= {"base", "seed", "logs", "lab.lock", "regions"}
    assert not list((places().root / "regions").glob("*"))


def test_what_makes_a_tree_ends_with_whoever_asked_for_it(tmp_path: Path) -> None:
    """Its processes and its mounts, also when nobody was left to tell them."""
    began, mounted = tmp_path / "began", tmp_path / "mounted"
    mounted.mkdir()
    work = f"mount -t tmpfs none {mounted} && touch {began} && while sleep 1; do :; done"
    words = [*debian.ENDS_WITH_US, "sh", "-c", work]
    process = subprocess.Popen([sys.executable, "-c", f"import subprocess; subprocess.run({words!r})"])
    until(began.exists)
    assert _at_work(str(mounted)), "nothing works there: it proves nothing"
    process.kill()
    process.wait()
    until(lambda: not _at_work(str(mounted)))
    assert debian.mounts_below(mounted) == []


def _at_work(word: str) -> bool:
    """Whether a process of this machine has a word in its command; one that has ended has no command any more."""
    found = subprocess.run(["pgrep", "--full", word], check=False, capture_output=True, text=True).stdout.split()
    return bool(found)

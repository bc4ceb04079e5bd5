"""The image cache, checks of images, snapshots of local disks, console logs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.compute.driver import cow, images
from lab.compute.driver.images import BaseCache, TooBig
from lab.compute.driver.state import FIRST_USER, Instance
from lab.compute.driver.units import unprivileged
from tests.unit.compute.fakes import Programs
from tests.unit.compute.test_cow import make_cow

MIB = 1 << 20
INSTANCE = Instance("6f70656e-7374-4163-8b20-6c616e64696e", "i", 7, 1, 512, 1)


def copying() -> Programs:
    run = Programs()

    def copy(words: list[str]) -> str:
        shutil.copyfile(words[-2], words[-1])
        return ""

    run.answer("cp", by=copy)
    return run


def fetch(size: int, calls: list[Path] | None = None) -> Any:
    def write(target: Path) -> None:
        target.write_bytes(os.urandom(size))
        if calls is not None:
            calls.append(target)

    return write


def test_a_base_is_fetched_once_and_has_the_disks_size(tmp_path: Path) -> None:
    cache = BaseCache(tmp_path / "_base", copying())
    calls: list[Path] = []
    first = cache.ensure("image", 3 * MIB, fetch(MIB, calls))
    assert cache.ensure("image", 3 * MIB, fetch(MIB, calls)) == first
    assert cache.ensure("image", 0, fetch(MIB, calls)).stat().st_size == MIB
    assert len(calls) == 1
    assert first.stat().st_size == 3 * MIB
    assert first.read_bytes()[:MIB] == cache.raw("image").read_bytes()
    assert first.stat().st_mode & 0o222 == 0


def test_an_image_that_is_too_big_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TooBig) as caught:
        BaseCache(tmp_path, copying()).ensure("image", MIB, fetch(2 * MIB))
    assert (caught.value.image, caught.value.disk) == (2 * MIB, MIB)


def test_an_image_may_be_as_big_as_the_disk(tmp_path: Path) -> None:
    assert BaseCache(tmp_path, copying()).ensure("image", MIB, fetch(MIB)).stat().st_size == MIB


def test_a_base_does_not_change_when_it_is_used_again(tmp_path: Path) -> None:
    cache = BaseCache(tmp_path, copying())
    base = cache.ensure("image", 2 * MIB, fetch(MIB))
    os.utime(base, (1, 1))
    cache.ensure("image", 2 * MIB, fetch(MIB))
    assert base.stat().st_mtime == 1


def test_an_image_that_is_just_being_copied_is_not_pruned(tmp_path: Path) -> None:
    """Nova prunes every ten minutes; the image may not have been of use for long."""
    run = copying()
    cache = BaseCache(tmp_path, run)
    cache.ensure("image", 2 * MIB, fetch(MIB))
    for file in tmp_path.iterdir():
        os.utime(file, (1, 1))

    def copy(words: list[str]) -> str:
        cache.prune([], 60)
        shutil.copyfile(words[-2], words[-1])
        return ""

    run.answer("cp", by=copy)
    assert cache.ensure("image", 3 * MIB, fetch(MIB)).stat().st_size == 3 * MIB


def test_pruning_takes_what_nobody_uses_and_is_old(tmp_path: Path) -> None:
    cache = BaseCache(tmp_path, copying())
    used, old, fresh = (cache.ensure(name, 2 * MIB, fetch(MIB)) for name in ("used", "old", "fresh"))
    other_size = cache.ensure("used", 3 * MIB, fetch(MIB))
    for name in ("used", "old"):
        os.utime(cache.raw(name), (time.time() - 1000,) * 2)
    gone = cache.prune([str(used)], older_than=500)
    assert set(gone) == {old, cache.raw("old"), other_size}
    assert used.exists()
    assert cache.raw("used").exists()
    assert fresh.exists()


INFO: dict[str, Any] = {"format": "qcow2", "virtual-size": MIB, "format-specific": {"data": {}}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "vmdk"}, "vmdk"),
        ({"backing-filename": "/etc/shadow"}, "another file"),
        ({"full-backing-filename": "/etc/shadow"}, "another file"),
        ({"format-specific": {"data": {"data-file": "/dev/vda"}}}, "another file"),
        ({"encrypted": True}, "encrypted"),
        ({"virtual-size": 1 << 60}, "bytes"),
    ],
)
def test_an_image_that_reaches_out_is_refused(change: dict[str, Any], words: str) -> None:
    reason = images.refusal({**INFO, **change}, 10 * MIB)
    assert reason is not None
    assert words in reason


def test_a_good_image_is_not_refused() -> None:
    assert images.refusal(INFO, 10 * MIB) is None
    assert images.refusal({"format": "raw", "virtual-size": 1 << 60}, 0) is None
    assert images.refusal(INFO, MIB) is None, "it fills the disk"


def test_images_are_read_by_nobody_and_with_a_named_format() -> None:
    for words in (images.info_words(Path("/i"), "raw"), images.convert_words(Path("/i"), "raw", Path("/o"), "qcow2")):
        setpriv = words.index(unprivileged(FIRST_USER)[0])
        assert words[setpriv:][: len(unprivileged(FIRST_USER))] == unprivileged(FIRST_USER)
    assert "--format=raw" in images.info_words(Path("/i"), "raw")
    assert "-f" in images.convert_words(Path("/i"), "raw", Path("/o"), "qcow2")


def local_disk(tmp_path: Path) -> tuple[Instance, Path]:
    home = tmp_path / "home"
    (home / "guest").mkdir(parents=True)
    (tmp_path / "base").write_bytes(os.urandom(8 * 512))
    return replace(INSTANCE, base=str(tmp_path / "base")), home


def test_a_copy_has_base_and_changes(tmp_path: Path) -> None:
    instance, home = local_disk(tmp_path)
    make_cow(home / images.COW, 8 * 512, {2: b"c" * 512})
    order: list[str] = []
    images.flat_copy(instance, home, tmp_path / "out", copying(), lambda: order.append("pause"), lambda: order.append("on"))
    base = (tmp_path / "base").read_bytes()
    assert (tmp_path / "out").read_bytes() == base[:1024] + b"c" * 512 + base[1536:]
    assert order == ["pause", "on"]
    assert not (tmp_path / "out.held").exists()


def test_an_instance_that_never_ran_copies_as_its_base(tmp_path: Path) -> None:
    instance, home = local_disk(tmp_path)
    images.flat_copy(instance, home, tmp_path / "out", copying(), lambda: None, lambda: None)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "base").read_bytes()


def test_a_plain_disk_is_copied_as_it_is(tmp_path: Path) -> None:
    instance, home = local_disk(tmp_path)
    (home / images.DISK).write_bytes(b"d" * 4096)
    images.flat_copy(instance, home, tmp_path / "out", copying(), lambda: None, lambda: None)
    assert (tmp_path / "out").read_bytes() == b"d" * 4096


def test_a_disk_swapped_for_a_link_is_not_copied_and_the_guest_goes_on(tmp_path: Path) -> None:
    instance, home = local_disk(tmp_path)
    (home / images.COW).symlink_to("/etc/shadow")
    order: list[str] = []
    with pytest.raises(cow.CowError):
        images.flat_copy(instance, home, tmp_path / "out", copying(), lambda: order.append("pause"), lambda: order.append("on"))
    assert order == ["pause", "on"]


def test_a_guest_that_could_not_be_held_for_a_copy_goes_on(tmp_path: Path) -> None:
    """systemd gives up to wait for one that is slow to stand still, and it stands still all the same."""
    instance, home = local_disk(tmp_path)
    order: list[str] = []

    def held_too_late() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        images.flat_copy(instance, home, tmp_path / "out", copying(), held_too_late, lambda: order.append("on"))
    assert order == ["on"]


def test_a_console_log_is_cut_to_its_end(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    with log.open("ab") as writer:
        writer.write(b"a" * 5000 + b"end")
        writer.flush()
        images.bound_console(log, limit=4096, keep=1000)
        assert log.read_bytes() == b"a" * 997 + b"end"
        writer.write(b"more")
    assert log.read_bytes().endswith(b"endmore")
    images.bound_console(log, limit=4096, keep=1000)
    assert len(log.read_bytes()) == 1004
    images.bound_console(tmp_path / "absent")


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"0123456789")
    assert images.tail(tmp_path / "log", 4) == b"6789"
    assert images.tail(tmp_path / "log", 100) == b"0123456789"
    assert images.tail(tmp_path / "absent", 4) == b""


def test_the_bound_of_memory_has_room_for_every_thread_of_qemu_img() -> None:
    words = list(images.convert_words(Path("in"), "qcow2", Path("out"), "raw"))
    program = (
        "import threading\n"
        "full = threading.Barrier(65)\n"
        "for _ in range(64): threading.Thread(target=full.wait, daemon=True).start()\n"
        "full.wait(30)"
    )
    bounded = words[words.index("prlimit") : words.index("qemu-img")]
    done = subprocess.run([*bounded, sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, which nova-compute is")
def test_what_the_reader_of_an_image_has_started_ends_with_it() -> None:
    """Whatever is left could write to what was already looked at, or to what the next image is made of."""
    words = images.info_words(Path("image"), "raw")
    here, there = os.pipe()
    left = ["sh", "-c", "trap '' TERM; setsid sleep 60 > /dev/null 2>&1 &"]
    done = subprocess.run([*words[: words.index("qemu-img")], *left], check=False, capture_output=True, text=True, pass_fds=[there])
    os.close(there)
    os.set_blocking(here, False)
    assert done.returncode == 0, done.stderr
    assert os.read(here, 1) == b"", "nobody has the other end any more"
    os.close(here)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, which nova-compute is")
def test_the_reader_of_an_image_sees_no_other_one() -> None:
    words = images.info_words(Path("image"), "raw")
    done = subprocess.run([*words[: words.index("qemu-img")], "sh", "-c", "echo /proc/[0-9]*"], check=True, capture_output=True, text=True)
    assert len(done.stdout.split()) <= 2


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root, which nova-compute is")
def test_the_reader_of_an_image_ends_when_nova_is_stopped() -> None:
    """systemd sends SIGTERM to every process of nova-compute; the first one in its own namespace would not hear it."""
    words = images.info_words(Path("image"), "raw")
    with subprocess.Popen([*words[: words.index("qemu-img")], "sleep", "60"], start_new_session=True) as reader:
        children = Path(f"/proc/{reader.pid}/task/{reader.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.05)
        below = Path(f"/proc/{found[0]}/task/{found[0]}/children")
        while not below.read_text().split():  # until it has started the program it is deaf
            time.sleep(0.05)
        for pid in (*map(int, found), reader.pid):
            os.kill(pid, signal.SIGTERM)
        assert reader.wait(10) != 0

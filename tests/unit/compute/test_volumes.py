"""Volumes: what Cinder's connection may say, connecting and taking away, snapshots through the storage daemon."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.compute.driver import qmp
from lab.compute.driver import volumes as module
from lab.compute.driver.qmp import QmpError
from lab.compute.driver.state import Volume
from lab.compute.driver.units import Units
from lab.compute.driver.volumes import VolumeError, Volumes
from tests.unit.compute.fakes import Programs, StorageDaemon

INSTANCE = "6f70656e-7374-4163-8b20-6c616e64696e"
OTHER = "6f70656e-7374-4163-8b20-6c616e64696f"
VOLUME_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"


def connection(**data: Any) -> dict[str, Any]:
    described = {"export": "127.0.0.1:/srv/cinder", "name": f"volume-{VOLUME_ID}", "format": "raw", **data}
    return {"driver_volume_type": "nfs", "serial": VOLUME_ID, "data": described}


class Host:
    """A machine whose mounts are remembered instead of made."""

    def __init__(self, root: Path) -> None:
        self.mounts: set[Path] = set()
        self.run = Programs()
        self.run.answer("mount", by=lambda words: self._mount(Path(words[-1])))
        self.run.answer("umount", by=lambda words: self.unmount(Path(words[-1])))
        self.run.answer("systemctl", "show", by="ActiveState=active\nFreezerState=running\n")
        self.run.answer("systemd-run", by=self.start)
        self.shows = True
        self.volumes = Volumes(self.run, Units(self.run), root, self.mounts.__contains__)

    def _mount(self, point: Path) -> str:
        self.mounts.add(point)
        (point / f"volume-{VOLUME_ID}").write_bytes(b"x")
        return ""

    def unmount(self, point: Path) -> str:
        self.mounts.discard(point)
        for file in point.glob("*") if point.is_dir() else ():
            file.unlink()  # what lay on the share goes with the mount
        return ""

    def start(self, words: list[str]) -> str:
        for word in words:
            if self.shows and word.startswith("type=fuse"):
                self.mounts.add(Path(word.rsplit("mountpoint=", 1)[1]))
        return ""


@pytest.fixture
def host(short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr("os.chown", lambda *_: None)
    return Host(short_path)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"driver_volume_type": "iscsi", "data": {}}, "iscsi"),
        (connection(name="../../etc/shadow"), "not a file name"),
        (connection(name="a,b"), "not a file name"),
        (connection(name=".hidden"), "not a file name"),
        (connection(format="vmdk"), "vmdk"),
        (connection(encrypted=True), "encrypted"),
    ],
)
def test_what_cannot_be_served_is_refused(info: dict[str, Any], words: str) -> None:
    with pytest.raises(VolumeError, match=words):
        module.read_connection(info)


def test_connecting_names_the_format_and_mounts_the_share_once(host: Host) -> None:
    first = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    again = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    assert first == again == Volume(VOLUME_ID, "/dev/vdb", first.path, "127.0.0.1:/srv/cinder", f"volume-{VOLUME_ID}", "raw")
    assert len(host.run.of("mount")) == 1
    data, view = host.run.of("systemd-run")
    assert any(word.startswith("driver=raw,node-name=top") for word in data)
    assert not any("fuse" in word for word in data), "an export by FUSE beside the format would forbid merging"
    assert any(word.startswith("driver=nbd") for word in view)


def test_a_volume_whose_daemon_has_died_is_shown_anew(host: Host) -> None:
    """Its mount is still there; without another daemon the instance would not even start again."""
    volume = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    host.run.answer("systemctl", "show", by="ActiveState=inactive\nFreezerState=running\n")
    assert host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7) == volume
    assert host.run.of("umount", "--lazy") == [["umount", "--lazy", volume.path]]
    assert len(host.run.of("systemd-run")) == 4
    assert Path(volume.path) in host.mounts


def test_taking_the_last_volume_away_leaves_nothing(host: Host, short_path: Path) -> None:
    volume = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    host.volumes.disconnect(volume.id)
    host.volumes.forget(INSTANCE)
    assert host.mounts == set()
    assert [path for path in short_path.rglob("*") if path.is_file()] == []
    assert not list((short_path / "mnt").iterdir())
    assert not list((short_path / "volumes").iterdir())


def test_the_share_stays_while_another_volume_uses_it(host: Host, short_path: Path) -> None:
    volume = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    (short_path / "volumes/other").mkdir()
    (short_path / "volumes/other/volume").touch()
    host.volumes.disconnect(volume.id)
    assert host.volumes.mount_point(volume.share) in host.mounts


@pytest.mark.timeout(20)
def test_the_share_is_not_taken_away_below_a_volume_that_is_just_being_connected(host: Host) -> None:
    first = host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    share = host.volumes.mount_point(first.share)
    other = threading.Thread(target=host.volumes.connect, args=(connection(), OTHER, "/dev/vdb", 7))

    def unmount(words: list[str]) -> str:
        if Path(words[-1]) == share:
            other.start()
            other.join(0.3)
        return host.unmount(Path(words[-1]))

    host.run.answer("umount", by=unmount)
    host.volumes.disconnect(first.id)
    other.join()
    assert share in host.mounts


def test_a_daemon_that_does_not_start_leaves_nothing_connected(host: Host, short_path: Path) -> None:
    host.shows = False
    host.run.answer("systemctl", "show", by="ActiveState=failed\n")
    with pytest.raises(VolumeError, match="journalctl"):
        host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    assert host.mounts == set()
    assert not (short_path / "volumes" / INSTANCE / VOLUME_ID).exists()


def test_a_link_on_the_share_is_not_followed(host: Host, short_path: Path) -> None:
    (short_path / "secret").write_bytes(b"s")

    def mount(words: list[str]) -> str:
        host.mounts.add(Path(words[-1]))
        (Path(words[-1]) / f"volume-{VOLUME_ID}").symlink_to(short_path / "secret")
        return ""

    host.run.answer("mount", by=mount)
    with pytest.raises(VolumeError, match="is not a file"):
        host.volumes.connect(connection(), INSTANCE, "/dev/vdb", 7)
    assert host.run.of("systemd-run") == []


Start = Callable[..., StorageDaemon]


@pytest.fixture
def daemon(short_path: Path) -> Iterator[Start]:
    made: list[StorageDaemon] = []
    (short_path / "volumes").mkdir()

    def start(answers: dict[str, Any]) -> StorageDaemon:
        answers = {"query-block-exports": [{"node-name": "top"}], **answers}
        made.append(StorageDaemon(short_path / "volumes" / f"{VOLUME_ID}.qmp", answers))
        return made[-1]

    yield start
    for one in made:
        one.close()


def attached(host: Host) -> Volume:
    return Volume(VOLUME_ID, "/dev/vdb", "/shown", "127.0.0.1:/srv/cinder", "base.img", "raw")


def test_a_snapshot_puts_the_overlay_on_top(host: Host, daemon: Start) -> None:
    talk = daemon({})
    moved = host.volumes.snapshot(attached(host), "volume-1.snap")
    assert (moved.file, moved.format) == ("volume-1.snap", "qcow2")
    asked = dict(talk.asked)
    assert asked["blockdev-add"]["file"]["filename"].endswith("/volume-1.snap")
    assert asked["blockdev-add"]["backing"] is None
    assert asked["blockdev-snapshot"] == {"node": "top", "overlay": asked["blockdev-add"]["node-name"]}


def test_a_failed_snapshot_takes_its_node_back(host: Host, daemon: Start) -> None:
    talk = daemon({"blockdev-snapshot": RuntimeError("node is busy")})
    with pytest.raises(QmpError, match="node is busy"):
        host.volumes.snapshot(attached(host), "volume-1.snap")
    assert talk.asked[-1][0] == "blockdev-del"


def test_a_snapshot_has_a_plain_name(host: Host) -> None:
    with pytest.raises(VolumeError, match="not a file name"):
        host.volumes.snapshot(attached(host), "../x")


def job(*statuses: str, of: tuple[str | None, str | None] = ("b", "a"), **more: str) -> Iterator[list[dict[str, str]]]:
    """What the daemon says of the job of a merge at each look; "": it knows of none."""
    return iter([[{"id": module.merge_job(*of), "status": status, **more}] if status else [] for status in statuses])


def test_merging_down_waits_for_the_job(host: Host, daemon: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the job takes longer than an answer may, and no event comes meanwhile."""
    monkeypatch.setattr(qmp.Qmp.__init__, "__defaults__", (0.3,))
    share = host.volumes.mount_point("127.0.0.1:/srv/cinder")
    nodes = [{"node-name": n, "file": str(share / f), "drv": d} for n, f, d in (("f", "b", "file"), ("q", "b", "qcow2"), ("r", "a", "raw"))]
    talk = daemon({"query-named-block-nodes": nodes, "query-jobs": job("", "running", "running", "ready", "ready", "concluded")})
    host.volumes.merge(attached(host), "b", "a")
    asked = dict(talk.asked)
    assert [name for name, _ in talk.asked].count("job-complete") == 1
    assert (asked["block-commit"]["top-node"], asked["block-commit"]["base-node"]) == ("q", "r")
    assert asked["block-commit"]["job-id"] == asked["job-dismiss"]["id"]


@pytest.mark.parametrize(("below", "expected"), [(None, None), ("a", "r")])
def test_merging_up_streams_into_the_top(host: Host, daemon: Start, below: str | None, expected: str | None) -> None:
    share = host.volumes.mount_point("127.0.0.1:/srv/cinder")
    nodes = [{"node-name": "r", "file": str(share / "a"), "drv": "raw"}]
    talk = daemon({"query-named-block-nodes": nodes, "query-jobs": job("", "concluded", of=(below, None))})
    host.volumes.merge(attached(host), below, None)
    assert dict(talk.asked)["block-stream"].get("base-node") == expected


def test_a_failed_job_is_an_error(host: Host, daemon: Start) -> None:
    daemon({"query-jobs": job("", "concluded", of=(None, None), error="no space")})
    with pytest.raises(QmpError, match="no space"):
        host.volumes.merge(attached(host), None, None)


def chain(host: Host) -> list[dict[str, str]]:
    share = host.volumes.mount_point("127.0.0.1:/srv/cinder")
    return [{"node-name": node, "file": str(share / file), "drv": "raw"} for node, file in (("q", "b"), ("r", "a"))]


@pytest.mark.parametrize("error", [{}, {"error": "no space"}])
def test_a_merge_that_was_broken_off_is_in_the_way_of_no_other(host: Host, daemon: Start, error: dict[str, str]) -> None:
    """The daemon lives on when nova-compute is killed, and with it the job."""
    left = job("running", "running", "concluded", of=("c", "b"), **error)
    talk = daemon({"query-named-block-nodes": chain(host), "query-jobs": itertools.chain(left, job("concluded"))})
    host.volumes.merge(attached(host), "b", "a")
    assert [name for name, _ in talk.asked if name in ("job-dismiss", "block-commit")] == ["job-dismiss", "block-commit", "job-dismiss"]


def test_a_merge_that_was_broken_off_and_is_asked_for_again_has_only_to_end(host: Host, daemon: Start) -> None:
    """What it has merged is in the chain no more: Cinder could never delete its snapshot."""
    talk = daemon({"query-named-block-nodes": [], "query-jobs": job("running", "running", "concluded")})
    host.volumes.merge(attached(host), "b", "a")
    assert "block-commit" not in dict(talk.asked)


def test_merges_that_were_broken_off_are_asked_for_again_in_any_order(host: Host, daemon: Start, short_path: Path) -> None:
    """The job of the first is gone when its turn comes."""
    left = job("concluded", "concluded")
    nodes = [*chain(host), {"node-name": "t", "file": str(host.volumes.mount_point(attached(host).share) / "c"), "drv": "qcow2"}]
    ended = itertools.chain(left, job("concluded", of=("c", "b")), job(""))
    talk = daemon({"query-named-block-nodes": iter([nodes, nodes, []]), "query-jobs": ended})
    host.volumes.merge(attached(host), "c", "b")
    host.volumes.merge(attached(host), "b", "a")
    assert [name for name, _ in talk.asked].count("block-commit") == 1
    host.volumes.disconnect(VOLUME_ID)
    assert list(short_path.glob("volumes/*.done")) == []


def test_a_file_takes_over_again_what_may_have_come_into_the_chain_since(host: Host, daemon: Start) -> None:
    """That merge has the same words for every snapshot."""
    left = job("concluded", "concluded", of=(None, None))
    talk = daemon({"query-jobs": itertools.chain(left, job("concluded", of=(None, None)))})
    host.volumes.merge(attached(host), None, None)
    assert "block-stream" in dict(talk.asked)


def test_a_merge_that_was_broken_off_and_has_failed_is_tried_again(host: Host, daemon: Start) -> None:
    left = job("concluded", "concluded", error="no space")
    talk = daemon({"query-named-block-nodes": chain(host), "query-jobs": itertools.chain(left, job("concluded"))})
    host.volumes.merge(attached(host), "b", "a")
    assert "block-commit" in dict(talk.asked)


def test_an_overlay_that_came_while_the_volume_was_in_use_is_found(host: Host, daemon: Start) -> None:
    """QEMU gives it no plain file name: what its header says it stands on was not asked."""
    talk = daemon({})
    host.volumes.snapshot(attached(host), "b")
    added = {**dict(talk.asked)["blockdev-add"], "file": 'json:{"driver": "qcow2"}', "drv": "qcow2"}
    talk.answers |= {"query-jobs": job("", "concluded"), "query-named-block-nodes": [added, *chain(host)[1:]]}
    host.volumes.merge(attached(host), "b", "a")
    assert dict(talk.asked)["block-commit"]["top-node"] == added["node-name"]


def test_a_file_that_is_not_in_the_chain_is_an_error(host: Host, daemon: Start) -> None:
    daemon({"query-jobs": [], "query-named-block-nodes": []})
    with pytest.raises(VolumeError, match="not in the chain"):
        host.volumes.merge(attached(host), "b", "a")

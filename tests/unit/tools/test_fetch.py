"""Downloads over a server on this machine: whole and right, or nothing."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from foundation import stopping
from foundation.errors import InputError, LzError
from tests.unit.tools.conftest import Site
from tools import fetch

CONTENT = bytes(range(256)) * 8192
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(site: Site, tmp_path: Path) -> Path:
    site.files["/file"] = CONTENT
    return tmp_path / "down" / "file"


def test_a_whole_file_arrives_and_is_not_fetched_twice(site: Site, target: Path) -> None:
    fetch.download(f"{site.url}/file", target, SHA256)
    fetch.download(f"{site.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert len(site.asked) == 1
    assert [file.name for file in target.parent.iterdir()] == ["file"]


def test_a_broken_connection_is_resumed_where_it_broke(site: Site, target: Path) -> None:
    site.cut_after = [1_000_000]
    fetch.download(f"{site.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert site.asked == ["", "bytes=1000000-"]


@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_hangs_up_is_asked_again(site: Site, target: Path, times: int) -> None:
    site.files["/list"] = b"words"
    site.hang_up = times
    assert fetch.text(f"{site.url}/list") == "words"
    site.hang_up = times
    fetch.download(f"{site.url}/file", target, SHA256)
    assert len(site.asked) == 2 * (times + 1)


def test_a_server_that_always_hangs_up_is_unreachable(site: Site, target: Path) -> None:
    site.hang_up = 100
    with pytest.raises(fetch.Unreachable):
        fetch.text(f"{site.url}/list")
    with pytest.raises(fetch.Unreachable):
        fetch.download(f"{site.url}/file", target, SHA256)
    assert len(site.asked) == 2 * fetch.ATTEMPTS


def test_what_arrived_is_kept_for_the_next_run(site: Site, target: Path) -> None:
    site.cut_after = [1000, 1000, 1000]
    with pytest.raises(fetch.Unreachable, match="what has arrived is kept"):
        fetch.download(f"{site.url}/file", target, SHA256)
    assert not target.exists()
    fetch.download(f"{site.url}/file", target, SHA256)
    assert site.asked[-1] == "bytes=3000-"
    assert target.read_bytes() == CONTENT


def test_a_download_beside_other_work_ends_with_ctrl_c_and_goes_on_later(site: Site, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread alone hears it, and would wait for this one."""
    with monkeypatch.context() as patched:
        patched.setattr(stopping, "_told", threading.Event())
        stopping._told.set()
        with pytest.raises(KeyboardInterrupt):
            fetch.download(f"{site.url}/file", target, SHA256)
    fetch.download(f"{site.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT
    assert site.asked[0] == ""
    assert site.asked[1].startswith("bytes=")


def test_a_server_without_ranges_sends_everything_again(site: Site, target: Path) -> None:
    site.ranges = False
    site.cut_after = [1000]
    fetch.download(f"{site.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_part_that_was_already_whole_is_used(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name(f"file.{SHA256[:12]}.part").write_bytes(CONTENT)
    fetch.download(f"{site.url}/file", target, SHA256)
    assert site.asked == [f"bytes={len(CONTENT)}-"]
    assert target.read_bytes() == CONTENT


def test_a_damaged_part_is_thrown_away_and_fetched_anew(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name(f"file.{SHA256[:12]}.part").write_bytes(b"rubbish")
    fetch.download(f"{site.url}/file", target, SHA256)
    assert site.asked == ["bytes=7-", ""]
    assert target.read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_and_names_the_cure(site: Site, target: Path) -> None:
    with pytest.raises(fetch.WrongChecksum) as caught:
        fetch.download(f"{site.url}/file", target, "0" * 64)
    problem = caught.value.problems[0]
    assert problem.where == f"{site.url}/file"
    assert "0" * 64 in problem.why
    assert SHA256 in problem.why
    assert "publisher's list" in problem.cure
    assert list(target.parent.iterdir()) == []


def test_a_file_that_is_there_but_wrong_is_replaced(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"older")
    fetch.download(f"{site.url}/file", target, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_final(site: Site, target: Path, status: int) -> None:
    site.status = status
    with pytest.raises(fetch.Unreachable, match=str(status)):
        fetch.download(f"{site.url}/file", target, SHA256)
    assert len(site.asked) == 1
    assert not target.exists()


def test_a_full_disk_is_no_fault_of_the_network(site: Site, target: Path) -> None:
    target.parent.mkdir()
    target.with_name(f"file.{SHA256[:12]}.part").symlink_to("/dev/full")
    with pytest.raises(LzError, match="no space is left on the disk") as caught:
        fetch.download(f"{site.url}/file", target, SHA256)
    assert not isinstance(caught.value, fetch.Unreachable), "another way of obtaining it would be tried"
    assert "free some" in caught.value.problems[0].cure
    assert not target.exists()


def test_no_server_is_said_quickly(target: Path) -> None:
    with pytest.raises(fetch.Unreachable, match=r"no download from 127\.0\.0\.1"):
        fetch.download("http://127.0.0.1:9/file", target, SHA256, timeout=2)


def test_only_web_addresses_are_opened(target: Path) -> None:
    with pytest.raises(InputError, match="not a web address"):
        fetch.download("file:///etc/passwd", target, SHA256)


def test_a_checksum_is_read_from_the_publishers_list() -> None:
    listing = f"{'a' * 64}  other\n{'B' * 64} *wanted\nnonsense\n"
    assert fetch.listed_checksum(listing, "wanted", "list") == "b" * 64
    with pytest.raises(fetch.Unreachable, match="no checksum for absent"):
        fetch.listed_checksum(listing, "absent", "list")

"""What of a census is left out as not the lab's, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.host import of_others


@pytest.mark.parametrize(
    ("line", "others"),
    [
        ("lzn-fresh", True),
        ("/sys/fs/cgroup/lzn-fresh/payload", True),
        ("{cache}/nodes/run/emulated/root", True),
        ("mkfs {cache}/golden/part", True),
        ("lz-north", False),
        ("/sys/fs/cgroup/lz-seed/payload", False),
        ("mmdebstrap {cache}/lab/base/0123.part", False),
        ("mmdebstrap {cache}/image/0123.part", False),
        ("make -C {cache}/kernel/work", False),
    ],
)
def test_test_nodes_and_golden_images_are_left_out(line: str, others: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    assert of_others(line.format(cache=tmp_path)) is others

"""What breaks elsewhere has a test here: the page names it, and it is there."""

from __future__ import annotations

import re

from foundation.places import CHECKOUT

PAGE = CHECKOUT / "docs/what-breaks-elsewhere.md"
ROWS = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][2:]


def test_every_row_names_tests_that_there_are() -> None:
    assert len(ROWS) > 20
    for row in ROWS:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", row)
        assert named, row
        assert [name for file, name in named if f"def {name}(" not in (CHECKOUT / "tests" / file).read_text(encoding="utf-8")] == []

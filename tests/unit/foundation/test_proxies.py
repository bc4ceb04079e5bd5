"""Which calls go past a proxy."""

from __future__ import annotations

import pytest

from foundation import proxies


@pytest.mark.parametrize(
    ("upper", "lower", "wanted"),
    [
        ("", "", "198.18.0.0/15"),
        ("", "localhost", "localhost,198.18.0.0/15"),
        ("corp.example", "", "corp.example,198.18.0.0/15"),
        ("corp.example,198.18.0.0/15", "corp.example", "corp.example,198.18.0.0/15"),
    ],
)
def test_what_is_called_directly_already_stays(upper: str, lower: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs read one of the two variables and not the other: both say the same."""
    monkeypatch.setenv("NO_PROXY", upper)
    monkeypatch.setenv("no_proxy", lower)
    assert proxies.past("198.18.0.0/15") == {"NO_PROXY": wanted, "no_proxy": wanted}

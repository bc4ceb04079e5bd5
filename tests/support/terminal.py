"""A terminal for tests: what a person sees of what a program has written."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from rich.console import Console

from foundation import progress

PIECE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def screen(written: str) -> list[str]:
    """The lines on a screen that is large enough. Known is what Rich uses: going up, erasing a line; colours are left out."""
    lines, row, column = [""], 0, 0
    for argument, letter, end, text in PIECE.findall(written):
        if letter == "A":
            row -= int(argument or 1)
        elif letter == "K":
            lines[row] = ""
        elif end:
            column = 0
            row += end == "\n"
            lines += [""] * (row + 1 - len(lines))
        elif text:
            before = lines[row].ljust(column)
            lines[row] = before[:column] + text + before[column + len(text) :]
            column += len(text)
    return [line.rstrip() for line in lines]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """From now on progress is shown as on a terminal; what is written to it."""
    written = StringIO()
    settings = {"TERM": "xterm"}  # whatever terminal the tests are run from
    terminal = Console(
        file=written, force_terminal=True, force_interactive=True, width=100, highlight=False, soft_wrap=True, _environ=settings
    )
    monkeypatch.setattr(progress, "console", terminal)
    return written

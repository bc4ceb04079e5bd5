"""The ledger as a file beside its environment file: ENVIRONMENT.ledger.yaml, kept in version control with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from foundation import files
from foundation.errors import InputError, Problem
from landing_zone.planners.ledger import Ledger, Run

_HEAD = "# Which address slots each tenant has. Written by `lz`; keep it in version control with the environment, never edit it.\n"


def ledger_path(environment: Path) -> Path:
    """Where the ledger of an environment file lies."""
    return environment.with_suffix(".ledger.yaml")


def load_ledger(environment: Path) -> Ledger:
    """The ledger of an environment file, an empty one when there is none yet. Raises InputError when it is damaged."""
    path = ledger_path(environment)
    if not path.exists():
        return Ledger()
    try:
        # Everything as text: a tenant's code may be `no`, or `on`, which are no texts to the usual loader.
        content = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506  it makes texts, lists and mappings only
        return Ledger({**content["layout"]}, _runs(content["slots"]), _runs(content["retired"]))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        cure = "restore it from version control; without it tenants may get other addresses"
        raise InputError(Problem("the address ledger cannot be read", str(path), f"{type(error).__name__}: {error}", cure)) from None


def save_ledger(environment: Path, ledger: Ledger) -> bool:
    """Write the ledger beside its environment file, all at once or not at all; False when the file says the same already."""
    path = ledger_path(environment)
    text = render(ledger)
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    files.replace(path, text, 0o644)
    return True


def render(ledger: Ledger) -> str:
    """The ledger as YAML text: one line a tenant, so that a change shows in review as what it is."""
    lines = [_HEAD, "layout:\n" if ledger.layout else "layout: {}\n"]
    lines += [f'  {key}: "{value}"\n' for key, value in sorted(ledger.layout.items())]
    for key, runs in (("slots", ledger.slots), ("retired", ledger.retired)):
        lines.append(f"{key}:\n" if runs else f"{key}: {{}}\n")
        lines += [f"  {code}: {{start: {run.start}, count: {run.count}}}\n" for code, run in sorted(runs.items())]
    return "".join(lines)


def _runs(entries: dict[str, Any]) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for code, entry in entries.items():
        run = Run(int(entry["start"]), int(entry["count"]))
        if run.start < 0 or run.count < 1:
            raise ValueError(f"{code}: {entry}")
        found[code] = run
    return found

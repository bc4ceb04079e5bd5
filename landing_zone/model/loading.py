"""Load an environment file and the ledger beside it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from foundation.errors import Problem, raise_all
from landing_zone.model.document import read
from landing_zone.model.environment import Environment


def load(path: Path) -> Environment:
    """Read an environment file. Raises InputError with every problem, each with file, line, key, value and cure."""
    document = read(path)
    try:
        return Environment.model_validate(document.data)
    except ValidationError as error:
        problems = [
            Problem(entry["msg"], f"{document.place(entry['loc'])}, key {'.'.join(map(str, entry['loc']))}") for entry in error.errors()
        ]
        raise_all(problems)
        raise

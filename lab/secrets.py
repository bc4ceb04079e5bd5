"""Passwords and keys of one region: made once, kept 0600 outside git, never on a command line."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from foundation import files
from lab.settings import OPENSTACK, SERVICE_USERS

NAMES = (
    "admin", "rabbit", "metadata", "swift_hash_prefix", "swift_hash_suffix",
    *(f"db_{name}" for name in OPENSTACK if name != "swift"),  # which has none
    *(f"user_{name}" for name in SERVICE_USERS),
)  # fmt: skip


def load_or_make(path: Path) -> dict[str, str]:
    """The secrets in `path`; those missing are made and written back, the file readable by its owner alone."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in NAMES if name not in known]
    if "barbican_kek" not in known:
        known["barbican_kek"] = base64.b64encode(secrets.token_bytes(32)).decode()
    for name in missing:
        known[name] = secrets.token_hex(20)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, json.dumps(known, indent=1, sort_keys=True))
    return known

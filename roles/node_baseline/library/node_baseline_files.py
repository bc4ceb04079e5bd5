"""Many files in one task: the start of a module costs more than the writing of ten files."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: node_baseline_files
short_description: Contents, owners and modes of many files
description:
  - Writes what differs. A file is written under another name first, and renamed when it is whole and its own program accepts it.
  - With C(--diff) contents are shown only of files that everybody on the node may read.
options:
  files:
    description: >-
      Each has C(path) and C(state) (C(file), C(directory), C(absent), or C(kept), which touches only what is there), and may have
      C(content), C(mode) (else 0644, or 0755 for a folder), C(at_most) (bits of the mode that are not in it are taken away), C(owner),
      C(group), and C(validate), a command with C(%s) for the file. Folders above a file are made.
    type: list
    elements: dict
    required: true
"""
ENTRY = {
    "path": {"type": "path", "required": True},
    "state": {"choices": ["file", "directory", "absent", "kept"], "default": "file"},
    "content": {"type": "str"},
    "mode": {"type": "str"},
    "at_most": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "validate": {"type": "str"},
}


class Refused(Exception):
    """A program does not accept the file that was to be written."""


def settle(entry: Mapping[str, Any], *, check: bool) -> dict[str, str] | None:
    """Make one path what the entry says. None when it was that already, else what changed, as Ansible shows differences.

    entry: every key of ENTRY. check: only say what would change. Raises Refused when the file's own program does not accept it,
    OSError, and KeyError for an owner that is not there.
    """
    path, state = Path(entry["path"]), entry["state"]
    there = path.lstat() if os.path.lexists(path) else None
    if state == "absent":
        return _remove(path, there, check) if there else None
    if state == "kept" and not there:
        return None
    if state == "directory" and not there:
        if not check:
            _folder(path)
            _own(path, entry, None)
        return _difference(path, "", "a folder\n")
    if state == "file":
        old = path.read_bytes() if there and stat.S_ISREG(there.st_mode) else None
        if old != entry["content"].encode():
            if not check:
                _write(path, entry)
            before = _shown((old or b"").decode(errors="replace"), there.st_mode if there else stat.S_IROTH)
            return _difference(path, before, _shown(entry["content"], _mode(entry, there)))
    before = _words(path)
    if before == _words(path, entry):
        return None
    if not check:
        _own(path, entry, there)
    return _difference(path, before, _words(path, entry))


def _words(path: Path, entry: Mapping[str, Any] | None = None) -> str:
    """Mode and owners of a path that is there, or what the entry would make of them."""
    now = path.lstat()
    mode, uid, gid = (_mode(entry, now), *_owners(entry)) if entry else (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid)
    return f"{mode:04o} {uid}:{gid}\n"


def _mode(entry: Mapping[str, Any], there: os.stat_result | None) -> int:
    """there: what the path is now, if anything."""
    if entry["mode"] is not None:
        return int(entry["mode"], 8)
    if entry["at_most"] is not None and there:
        return stat.S_IMODE(there.st_mode) & int(entry["at_most"], 8)
    return 0o755 if entry["state"] == "directory" else 0o644


def _owners(entry: Mapping[str, Any]) -> tuple[int, int]:
    return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid


def _own(path: Path, entry: Mapping[str, Any], there: os.stat_result | None) -> None:
    os.chown(path, *_owners(entry))
    path.chmod(_mode(entry, there))


def _folder(path: Path) -> None:
    """Make the folder and those above it, for everybody to read whatever the umask is."""
    for each in (*reversed(path.parents), path):
        if not each.exists():
            each.mkdir()
            each.chmod(0o755)


def _write(path: Path, entry: Mapping[str, Any]) -> None:
    _folder(path.parent)
    with _part(path) as part:
        part.write_bytes(entry["content"].encode())
        _own(part, entry, None)
        if entry["validate"]:
            _validate(entry["validate"], part, path)
        part.replace(path)


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    """An empty file for its owner alone beside `path`. With a dot in front of its name no program takes it for one of its own."""
    handle, name = tempfile.mkstemp(prefix=".node_baseline.", dir=path.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _validate(command: str, part: Path, path: Path) -> None:
    words = [str(part) if word == "%s" else word for word in shlex.split(command)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    if done.returncode:
        raise Refused(f"{command.replace('%s', str(path))}: {done.stdout.replace(str(part), str(path)).strip()}")


def _remove(path: Path, there: os.stat_result, check: bool) -> dict[str, str]:
    if not check and stat.S_ISDIR(there.st_mode):
        shutil.rmtree(path)
    elif not check:
        path.unlink()
    return _difference(path, "it is there\n", "")


def _shown(text: str, mode: int) -> str:
    """What a difference may show: contents only of what everybody on the node may read, since it ends up in logs elsewhere."""
    return text if mode & stat.S_IROTH else f"contents of a file of mode {stat.S_IMODE(mode):04o}\n"


def _difference(path: Path, before: str, after: str) -> dict[str, str]:
    return {"before_header": str(path), "after_header": str(path), "before": before, "after": after}


def main() -> None:
    """Ansible's way in."""
    spec = {"files": {"type": "list", "elements": "dict", "required": True, "options": ENTRY}}
    module = AnsibleModule(spec, supports_check_mode=True, no_log=True)  # contents are no matter for the node's log
    changes: list[dict[str, str]] = []
    for entry in module.params["files"]:
        try:
            change = settle(entry, check=module.check_mode)
        except (Refused, OSError, KeyError) as problem:
            module.fail_json(msg=f"{entry['path']}: {problem}", changed=bool(changes))
        changes += [change] if change else []
    module.exit_json(changed=bool(changes), paths=[change["after_header"] for change in changes], diff=changes if module._diff else [])


if __name__ == "__main__":
    main()

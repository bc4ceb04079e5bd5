"""A connection into a tree of files: programs run there by chroot. ansible-core has none, only its collections do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = """
name: tree
short_description: run in a tree of files by chroot
description:
  - The host's name is told by C(ansible_host), the path of the tree. Whoever calls has mounted what programs there need.
author: the landing zone
options:
  tree:
    description: Path of the tree.
    required: true
    vars:
      - name: ansible_host
extends_documentation_fragment:
  - connection_pipelining
"""
# What a program in the tree gets of our environment, beside these.
PASSED_ON = ("SOURCE_DATE_EPOCH", "http_proxy", "https_proxy", "no_proxy")
INSIDE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


class Connection(ConnectionBase):  # type: ignore[misc]
    """Nothing is kept open; each program is a process of its own."""

    transport = "tree"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command line by the tree's own shell; returns its status and what it said."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        environment = {**INSIDE, **{name: os.environ[name] for name in PASSED_ON if name in os.environ}}
        words = ["chroot", self.get_option("tree"), "/bin/sh", "-c", cmd]
        done = subprocess.run(words, input=in_data or b"", env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the tree."""
        super().put_file(in_path, out_path)
        shutil.copyfile(in_path, self._place(out_path))

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the tree."""
        super().fetch_file(in_path, out_path)
        shutil.copyfile(self._place(in_path), out_path)

    def close(self) -> None:
        """Nothing is open."""
        self._connected = False

    def _place(self, path: str) -> Path:
        return Path(str(self.get_option("tree")) + os.path.normpath(f"/{path}"))

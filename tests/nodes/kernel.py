"""A node's files on a kernel of their own: a disk made of them, booted by User Mode Linux, which answers and powers off.

The same kernel as the lab's instances have, so no KVM is needed. The node's own systemd runs there with all its services;
only a network is missing.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from foundation.errors import LzError, Problem
from foundation.process import run
from foundation.progress import Progress
from lab.compute import kernel

MEMORY_MIB = 1024
DISK_GIB = 3
PATIENCE = 600  # seconds from the start of the kernel to its end
FOLDER = "root/answers"
ARGUMENTS = ("root=/dev/vda", "rw", "quiet", "apparmor=1", "security=apparmor", "audit=1")
UNIT = """[Unit]
Description=Answer questions and power off
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh /root/questions
ExecStopPost=/usr/bin/systemctl --no-block poweroff
"""


def ask(root: Path, home: Path, script: str, progress: Progress, *, boots: int = 1, second: Path | None = None) -> Path:
    """Boot a copy of the tree `root`, run the shell script there as root, and return a folder with what it left in its own.

    script: runs after all services are up, at each of the `boots`, in a folder that is empty at first. home: where the disk
    and the answers are kept. second: a further disk. Raises LzError when the kernel does not end in time.
    """
    built = kernel.build(progress)
    (root / FOLDER).mkdir(parents=True)
    (root / "root/questions").write_text(f"cd /{FOLDER}\n{script}\n")
    unit = root / "etc/systemd/system/questions.service"
    unit.write_text(UNIT)
    wants = root / "etc/systemd/system/multi-user.target.wants/questions.service"
    wants.symlink_to("../questions.service")
    disk, answers = home / "disk", home / "answers"
    run(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", root, disk, f"{DISK_GIB}G"])
    arguments = [*([f"ubd1d={second},,second"] if second else []), *ARGUMENTS]
    for _ in range(boots):
        boot(built.path, disk, home / "kernel.log", arguments)
    answers.mkdir()
    run(["debugfs", "-R", f"rdump /{FOLDER} {answers}", disk])
    disk.unlink()
    return answers / Path(FOLDER).name


def boot(program: Path, disk: Path, log: Path, arguments: Sequence[str]) -> None:
    """Boot a disk and wait until it has powered off. log: what it says. LzError when it does not end in time."""
    words: list[str | Path] = [
        program, f"mem={MEMORY_MIB}M", "umid=node", f"uml_dir={disk.parent}/", f"ubd0d={disk},,node",
        "con=null", "ssl=null", "ssl0=null,fd:1", "console=ttyS0", *arguments,
    ]  # fmt: skip
    with log.open("w") as stream, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream) as machine:
        try:
            machine.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-8:])
            raise LzError(Problem(f"the node's kernel did not end in {PATIENCE} s", where=str(log), why=tail)) from None
        finally:
            machine.kill()

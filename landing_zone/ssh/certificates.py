"""SSH certificates: a fresh key each time, signed by the environment's own authority for a short while, and a record of all.

A certificate names who asked for it, a serial number, and its principals: hosts, or a whole region. The private half of the
authority stays in the environment's home; hosts have its public half only.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import SSHCertificateBuilder, SSHCertificateType

from foundation import files
from landing_zone.engine.home import Home, private_text

SESSION_MINUTES = 15  # for `lz ssh`: only entering needs the certificate, a session may last longer
STANDING_MINUTES = 60  # for ssh_config, which `lz` itself, Ansible and plain ssh use
LONGEST_MINUTES = 24 * 60
SKEW = 300  # seconds that a host's clock may be behind
EXTENSIONS = (b"permit-port-forwarding", b"permit-pty")  # the way through the bastion, and a terminal; nothing else


@dataclass(frozen=True)
class Pass:
    """A private key with its certificate beside it (`-cert.pub`). `until`: seconds since 1970."""

    key: Path
    serial: int
    until: int

    @property
    def certificate(self) -> Path:
        """The file of the certificate."""
        return self.key.with_name(f"{self.key.name}-cert.pub")

    @property
    def config(self) -> Path:
        """Where an ssh_config of its own may lie, which goes when it goes."""
        return self.key.with_name(f"{self.key.name}.conf")

    def discard(self) -> None:
        """Remove its files."""
        for path in (self.key, self.certificate, self.config):
            path.unlink(missing_ok=True)


def issue(home: Home, principals: Sequence[str], minutes: int) -> Pass:
    """A fresh key and its certificate, good from now on for so many minutes; the files of expired ones are removed."""
    now = int(time.time())
    _sweep(home, now)
    who, until = identity(), now + 60 * minutes
    made = make(home.passes, load(home.user_ca), principals, who, (now - SKEW, until))
    _note(home, {"serial": made.serial, "who": who, "principals": list(principals), "from": now, "until": until})
    return made


def make(folder: Path, authority: Ed25519PrivateKey, principals: Sequence[str], who: str, ends: tuple[int, int]) -> Pass:
    """A fresh key in a folder, and its certificate. `ends`: from when until when it is good, in seconds since 1970."""
    serial = time.time_ns()
    made = Pass(folder / f"{ends[1]}-{serial}", serial, ends[1])
    key = Ed25519PrivateKey.generate()
    builder = (
        SSHCertificateBuilder()
        .public_key(key.public_key())
        .serial(serial)
        .type(SSHCertificateType.USER)
        .key_id(who.encode())
        .valid_principals([principal.encode() for principal in principals])
        .valid_after(ends[0])
        .valid_before(ends[1])
    )
    for extension in EXTENSIONS:
        builder = builder.add_extension(extension, b"")
    files.make(made.key, private_text(key))
    files.make(made.certificate, f"{builder.sign(authority).public_bytes().decode()}\n")
    return made


def load(path: Path) -> Ed25519PrivateKey:
    """A private key out of its file. TypeError when it is of another kind."""
    key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} is no Ed25519 key")
    return key


def identity() -> str:
    """Who runs this, as the certificate and the hosts' logs say it: PERSON@MACHINE, also behind sudo."""
    return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"


def _note(home: Home, line: dict[str, object]) -> None:
    descriptor = os.open(home.issued, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"{json.dumps(line)}\n")


def _sweep(home: Home, now: int) -> None:
    """Every file of a pass begins with the time of its end."""
    for path in home.passes.iterdir():
        until = path.name.partition("-")[0]
        if until.isdigit() and int(until) < now:
            path.unlink(missing_ok=True)

"""Where the state of one environment lies on this machine, and the secrets that belong to it (0600, never in git)."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foundation import files, scratch
from foundation.errors import InputError, Problem
from foundation.lock import exclusive
from foundation.places import cache

SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Home:
    """The folder of one environment, below the cache so that every checkout finds it."""

    root: Path

    @classmethod
    def of(cls, environment: str) -> Home:
        """The home of an environment, made (0700) if missing."""
        root = cache("state") / environment
        root.mkdir(mode=0o700, exist_ok=True)
        return cls(root)

    @property
    def backend(self) -> Path:
        """The folder of the local Pulumi backend."""
        return self._folder("backend")

    @property
    def logs(self) -> Path:
        """One log file a stack."""
        return self._folder("logs")

    @property
    def lock(self) -> Path:
        """Held by whoever changes the environment."""
        return self.root / "lock"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For whoever changes the environment: one run at a time, with its temporary files below the home.

        Raises BusyError when another is under way.
        """
        with exclusive(self.lock, f"a run on environment {self.root.name}"), scratch.below(self.root / "tmp"):
            yield

    @property
    def known_hosts(self) -> Path:
        """Host keys pinned from the instances' console logs."""
        return self.root / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """How OpenSSH reaches the environment's hosts."""
        return self.root / "ssh_config"

    @property
    def kubeconfig(self) -> Path:
        """What kubectl takes for this environment, and no other cluster's; whoever makes a cluster in it writes the file."""
        return self.root / "kubeconfig"

    @property
    def passphrase(self) -> Path:
        """The file with the passphrase of Pulumi's secrets, made at its first use."""
        path = self.root / "passphrase"
        if not path.exists():
            files.make(path, secrets.token_urlsafe(32))
        return path

    @property
    def s3_credentials(self) -> Path:
        """The access key of the state's bucket, in AWS's own form; only where the state lies in one."""
        return self.root / "s3-credentials"

    @property
    def s3_authority(self) -> Path:
        """The authority (PEM) that signed the certificate of the state's bucket; none: one of the system's."""
        return self.root / "s3-authority.pem"

    @property
    def salt(self) -> Path:
        """The file with the salt that all stacks share, made with the first of them."""
        return self.root / "salt"

    @property
    def user_ca(self) -> Path:
        """The private key of the authority that signs SSH certificates, made at its first use."""
        return self._key("user_ca")

    @property
    def user_ca_public(self) -> str:
        """The public key of that authority, one line; it is what hosts trust."""
        key = serialization.load_ssh_private_key(self.user_ca.read_bytes(), password=None)
        text = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        return f"{text.decode()} landing-zone"

    @property
    def image_key(self) -> Path:
        """The private key that signs published images, made at its first use."""
        return self._key("image")

    @property
    def passes(self) -> Path:
        """The folder of SSH keys that are thrown away, each with its certificate (see ssh.certificates)."""
        return self._folder("passes")

    @property
    def issued(self) -> Path:
        """The record of SSH certificates, one JSON object a line: serial, who, principals, and the time of both its ends."""
        return self.root / "issued"

    def credentials(self, region: str) -> Path:
        """The folder of tenants' application credentials in a region, a file a tenant (see credentials)."""
        return self._folder("credentials", region)

    @property
    def aside(self) -> Path:
        """A fresh folder for state that is no longer true but is not thrown away."""
        return self._folder("aside", time.strftime("%Y%m%d-%H%M%S"))

    def work(self, stack: str) -> Path:
        """The workspace folder of a stack: its project file and its settings."""
        return self._folder("work", stack)

    def log(self, stack: str) -> Path:
        """The log file of a stack."""
        return self.logs / f"{stack}.log"

    def note(self, stack: str) -> Path:
        """The file with what a stack was when it was last right (see fingerprint)."""
        return self._folder("settled") / f"{stack}.json"

    def doubts(self, stack: str) -> Path:
        """The file about things of a stack that perhaps exist (see `doubts`)."""
        return self._folder("doubts") / f"{stack}.json"

    def unclosed(self, stack: str) -> Path:
        """The mark of a stack that was applied, and whose projects' default groups nobody has looked at since (see sweep)."""
        return self._folder("unclosed") / stack

    def limits(self, stack: str) -> Path:
        """The file with the limits that were set by calls since a stack was last applied (see limits)."""
        return self._folder("limits") / f"{stack}.json"

    @property
    def leaving(self) -> Path:
        """The folder of stacks that are being removed, a file each with its projects (see sweep)."""
        return self._folder("leaving")

    def secret(self, name: str) -> str:
        """The secret of that name, made at random at its first use; the same for every later caller."""
        if not SECRET_NAME.fullmatch(name):
            raise InputError(Problem(f"{name!r} is no name for a secret", cure=f"use {SECRET_NAME.pattern}"))
        path = self._folder("secrets") / name
        if not path.exists():
            files.make(path, secrets.token_urlsafe(32))
        return path.read_text()

    def keeps(self, name: str) -> bool:
        """Whether the secret of that name has been made, or put back from a copy."""
        return (self.root / "secrets" / name).is_file()

    def _key(self, name: str) -> Path:
        path = self._folder("keys") / name
        if not path.exists():
            files.make(path, private_text(Ed25519PrivateKey.generate()))
        return path

    def _folder(self, *parts: str) -> Path:
        path = self.root.joinpath(*parts)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


def private_text(key: Ed25519PrivateKey) -> str:
    """A private key as OpenSSH keeps it, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()).decode()

"""Run the hardening role on a test node as an administrator would: over SSH, as an account that becomes root by sudo."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from foundation.places import CHECKOUT
from foundation.process import CommandFailed, run
from landing_zone import nodes
from landing_zone.nodes import Told
from tests.nodes.node import OUTSIDE, USER, Node

HARDEN = CHECKOUT / "roles" / "node_baseline" / "molecule" / "common" / "converge.yml"
PATIENCE = 900  # seconds
COLLECTOR = "collector"
JOURNAL = f"https://{COLLECTOR}:19532"


@dataclass(frozen=True)
class Run:
    """One run of the playbook. output: all that ansible-playbook said. seconds: wall time, its own start included."""

    output: str
    seconds: float

    @cached_property
    def told(self) -> Told | None:
        """What it says of the node; None when it ended before its recap."""
        return nodes.told(self.output).get("node")

    @property
    def good(self) -> bool:
        """Whether it came to its end."""
        return self.told is not None and not self.told.failed and not self.told.unreachable

    @property
    def changes(self) -> list[str]:
        """Names of the tasks that changed something, in order."""
        return list(self.told.changed) if self.told else []

    @property
    def tail(self) -> str:
        """What it ended with, for the message of a failed test."""
        return "\n".join(self.output.splitlines()[-40:])


def grub_hash() -> str:
    """The hash of a password for the boot loader that nobody knows."""
    salt, rounds = secrets.token_bytes(64), 10_000
    digest = hashlib.pbkdf2_hmac("sha512", secrets.token_bytes(16), salt, rounds)
    return f"grub.pbkdf2.sha512.{rounds}.{salt.hex()}.{digest.hex()}".upper().replace("GRUB.PBKDF2.SHA512", "grub.pbkdf2.sha512")


def collector(folder: Path) -> str:
    """Key and certificate of a log collector, made in the folder if they are not there; returns the certificate, which signs itself."""
    certificate = folder / f"{COLLECTOR}.pem"
    if not certificate.exists():
        _certificate(folder, COLLECTOR, "serverAuth,clientAuth")
    return certificate.read_text()


def sender(folder: Path, name: str) -> tuple[Path, Path]:
    """Certificate and key of one who sends logs, signed by the collector's, which is its own authority."""
    authority = ("-CA", folder / f"{COLLECTOR}.pem", "-CAkey", folder / f"{COLLECTOR}.key", "-addext", "basicConstraints=critical,CA:FALSE")
    _certificate(folder, name, "clientAuth", *authority)
    return folder / f"{name}.pem", folder / f"{name}.key"


def _certificate(folder: Path, name: str, purpose: str, *more: str | Path) -> None:
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-addext", f"extendedKeyUsage={purpose}"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
    run(["openssl", "req", "-x509", *curve, *names, *more, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"])


def variables(one: Node) -> dict[str, object]:
    """What a node of a landing zone is given: a second administrator, a log collector, a password for its boot menu.

    The administrator who runs the play may become root only by what cloud-init wrote.
    Kept beside the node: the same again for a second run.
    """
    file = one.home / "variables.json"
    if not file.exists():
        given = {
            "node_baseline_accounts": {"administrators": {"second": {"authorized_keys": [(one.home / "second.pub").read_text().strip()]}}},
            "node_baseline_sudo": {"passwordless": ["second"]},
            "node_baseline_boot": {"password_hash": grub_hash()},
            "node_baseline_logging": {
                "collector_host": OUTSIDE,
                "collector_name": COLLECTOR,
                "collector_ca": collector(one.home),
                "journal_url": JOURNAL,
            },
            "node_baseline_lockout": {"rollback_seconds": 400},
        }
        file.write_text(json.dumps(given))
    return dict(json.loads(file.read_text()))


def reach(one: Node) -> dict[str, str]:
    """How Ansible enters the node, in its own words."""
    return {
        "ansible_host": "node",
        "ansible_user": USER,
        "ansible_ssh_common_args": f"-F {one.ssh_config}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def inventory(one: Node) -> dict[str, object]:
    """The node by its own name, with what it is given, for whoever runs playbooks of his own. node_home: where its keys lie."""
    return {"all": {"hosts": {one.home.name: {**reach(one), **variables(one), "node_home": str(one.home)}}}}


def play(
    one: Node,
    more: Mapping[str, object] | None = None,
    *,
    check: bool = False,
    themes: Sequence[str] = (),
    book: Path = HARDEN,
    names: Sequence[str] = ("node",),
    told_user: bool = True,
) -> Run:
    """Harden the node, or run another playbook on it.

    more: variables beside, or instead of, those of `variables`. check: only say what would be done. themes: only these.
    names: as which hosts the playbook knows the node, one after the other. told_user: else only OpenSSH knows who signs in.
    """
    entered = {key: value for key, value in reach(one).items() if told_user or key != "ansible_user"}
    environment = {
        "ANSIBLE_ROLES_PATH": str(CHECKOUT / "roles"),
        "ANSIBLE_HOME": str(one.home / "ansible"),
        # Ansible tells connections that it keeps open by host and account, which are the same for every node.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(one.home / "cp"),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_INJECT_FACT_VARS": "0",
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    with tempfile.TemporaryDirectory(dir=one.home) as folder:  # of this run alone: others may run beside it
        settings, hosts = Path(folder) / "given.json", Path(folder) / "inventory.yaml"
        settings.write_text(json.dumps({**variables(one), **(more or {})}))
        hosts.write_text(json.dumps({"all": {"hosts": dict.fromkeys(names, entered)}}))
        command: list[str | Path] = [Path(sys.executable).with_name("ansible-playbook"), "-i", hosts, "-e", f"@{settings}", book]
        command += [*(["--check"] if check else []), *(["--tags", ",".join(themes)] if themes else [])]
        began = time.monotonic()
        try:
            output = run(command, env=environment, timeout=PATIENCE)
        except CommandFailed as problem:
            output = problem.output
        return Run(output, time.monotonic() - began)

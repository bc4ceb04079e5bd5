"""A log collector after a reboot."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from foundation.process import CommandFailed
from tests.nodes.node import ADDRESS, Node
from tests.nodes.play import sender
from tests.nodes.verify.ask import become, outside, parameters, passes_on


def test_a_log_collector_takes_messages_from_those_with_a_certificate_alone(one: Node) -> None:
    with contextlib.suppress(CommandFailed):  # the node hangs up, which a sender may not notice
        send(one, "somebody without a certificate")
    send(one, "somebody with a certificate", sender(one.home, "somebody"))
    assert "somebody without" not in arrived(one, "somebody with a certificate")
    assert not passes_on(one)
    assert parameters(one)["net.ipv4.ip_forward"] == "0"


def test_a_log_collector_takes_messages_from_named_senders_alone(one: Node) -> None:
    become(one, "log_collector", "firewall", "logging", node_baseline_logging={**taking(one), "permitted_senders": ["friend"]})
    with contextlib.suppress(CommandFailed):
        send(one, "a certificate in the name of a stranger", sender(one.home, "stranger"))
    send(one, "a certificate in the name of a friend", sender(one.home, "friend"))
    assert "in the name of a stranger" not in arrived(one, "in the name of a friend")


def taking(one: Node) -> dict[str, object]:
    """Settings by which the node takes logs from all whose certificates the collector's own has signed, as in its scenario."""
    files = {"certificate_file": "/etc/rsyslog.tls/certificate.pem", "key_file": "/etc/rsyslog.tls/key.pem"}
    return {"collector_ca": (one.home / "collector.pem").read_text(), **files}


def send(one: Node, text: str, certificate: tuple[Path, Path] | None = None) -> None:
    """One message to the node's port for logs, over TLS. certificate: whose, and its key."""
    words = ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"{ADDRESS}:6514", "-CAfile", str(one.home / "collector.pem")]
    known = ["-cert", str(certificate[0]), "-key", str(certificate[1])] if certificate else []
    outside(one, *words, *known, stdin=f"<14>1 2026-11-28T00:00:00Z sender test - - - {text}\n")


def arrived(one: Node, text: str) -> str:
    """The node's log, once the text is in it. Raises AssertionError when it does not come within 20 s."""
    deadline, log = time.monotonic() + 20, ""
    while text not in log:
        assert time.monotonic() < deadline, f"{text!r} did not arrive"
        log = one.inside("cat", "/var/log/syslog")
    return log

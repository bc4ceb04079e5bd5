"""A bastion after a reboot."""

from __future__ import annotations

import pytest

from foundation.process import CommandFailed
from landing_zone.effective import in_force
from tests.nodes.node import Node
from tests.nodes.verify.ask import become, through


def test_a_bastion_passes_connections_on_and_nothing_else(one: Node) -> None:
    assert through(one).startswith("SSH-2.0")
    with pytest.raises(CommandFailed, match="remote port forwarding failed"):
        one.ssh("true", options=("-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:9999:127.0.0.1:22"))
    effective = in_force(one.asked.check_output("sshd -T"))
    expected = {
        "disableforwarding": "no", "allowtcpforwarding": "local", "allowagentforwarding": "no", "allowstreamlocalforwarding": "no",
        "x11forwarding": "no", "permittunnel": "no", "gatewayports": "no",
    }  # fmt: skip
    assert {key: effective[key] for key in expected} == expected


def test_as_base_again_it_passes_nothing_on(one: Node) -> None:
    become(one, "base", "ssh")
    with pytest.raises(CommandFailed):
        through(one)

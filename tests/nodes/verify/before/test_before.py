"""A node that no run has changed yet: what would shut somebody out is refused, and check mode has left no trace."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.nodes.node import Node
from tests.nodes.play import Run, play
from tests.nodes.served import OPEN, files, record

MISTAKES: list[dict[str, object]] = [
    {**OPEN, "node_baseline_accounts": {}},
    {},
    {**OPEN, "node_baseline_ssh": {"allow_groups": ["ssh-login"]}, "node_baseline_lockout": {"second_administrator": False}},
    {**OPEN, "node_baseline_ssh": {"port": 2222}},
]


class Refused(NamedTuple):
    """Runs that must not come to their end: only one person could enter the node afterwards; what listens would be cut off;

    who runs it is in no group that may sign in; SSH listens where the packet filter lets nobody through.
    """

    alone: Run
    cut_off: Run
    stranger: Run
    shut: Run


@pytest.fixture(scope="module")
def refused(one: Node) -> Iterator[Refused]:
    with ThreadPoolExecutor() as beside:
        yield Refused(*beside.map(lambda given: play(one, given), MISTAKES))


def test_a_node_that_only_one_person_could_enter_is_left_alone(refused: Refused) -> None:
    assert not refused.alone.good
    assert "Only admin could sign in and become root afterwards" in refused.alone.output, refused.alone.tail
    assert refused.alone.changes == []


def test_what_listens_is_not_cut_off_unawares(refused: Refused) -> None:
    assert not refused.cut_off.good
    assert "tcp/8080" in refused.cut_off.output
    assert refused.cut_off.changes == []


def test_who_runs_it_can_sign_in_again(refused: Refused) -> None:
    """To become root is not enough: the server lets in groups that are named, and no others."""
    assert not refused.stranger.good
    assert "admin is in none of the groups ssh-login" in refused.stranger.output, refused.stranger.tail
    assert refused.stranger.changes == []


def test_the_port_of_ssh_is_not_closed(refused: Refused) -> None:
    assert not refused.shut.good
    assert "no opening for port 2222" in refused.shut.output, refused.shut.tail
    assert refused.shut.changes == []


def test_neither_they_nor_check_mode_left_a_trace(one: Node, refused: Refused) -> None:
    assert files(one) ^ frozenset(record(one).read_text().splitlines()) == frozenset()


def test_package_lists_are_of_no_use(one: Node) -> None:
    assert not one.asked.package("auditd").is_installed
    assert one.asked.run("apt-get --simulate install auditd").rc

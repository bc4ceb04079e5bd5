"""A node's life up to where tests look at it: what listens is refused to be cut off, check mode, hardened, again, rebooted.

The node starts as the ones that other roles break on: a service of its own, another clock, package lists that are of no
use, an account that may become root only by what cloud-init wrote.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from foundation.progress import Progress
from tests.nodes.node import Node, down, find, up
from tests.nodes.play import COLLECTOR, Run, collector, play, variables
from tests.nodes.scan import Score, judged, twin

SERVICE = """[Unit]
Description=What this node is for
[Service]
WorkingDirectory=/usr/share/doc
ExecStart=/usr/bin/python3 -m http.server 8080
[Install]
WantedBy=multi-user.target
"""
# A collector of journals on the node itself: it sends over TLS, and whoever copies the node has one too.
RECEIVER = """[Unit]
Description=Collector of journals
Before=systemd-journal-upload.service
[Service]
ExecStart=/usr/lib/systemd/systemd-journal-remote --split-mode=none --listen-https=127.0.0.1:19532 \\
  --output=/var/log/journal/remote/node.journal \\
  --key=/etc/pki/systemd/private/journal-upload.pem --cert=/etc/pki/systemd/certs/journal-upload.pem
[Install]
WantedBy=multi-user.target
"""
OPEN = {"node_baseline_firewall": {"openings": {"service": {"ports": [8080]}}}}
STAMP = "/var/lib/apt/periodic/update-success-stamp"
EMPTY_LISTS = f"rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/periodic; touch /var/lib/apt/lists {STAMP}"


@dataclass(frozen=True)
class Hardened:
    """A node after all runs, booted anew, with what each run said.

    touched: files, by run, that changed although none should. scores: of a copy taken after the second run; None when not asked for.
    """

    node: Node
    alone: Run
    refused: Run
    tried: Run
    first: Run
    second: Run
    tried_again: Run
    touched: tuple[str, ...]
    scores: Future[list[Score]] | None


def files(one: Node) -> frozenset[str]:
    """Name, mode, owner and time of every file in /etc, a line each."""
    return frozenset(one.inside("sh", "-c", "cd /etc && find . -type f -printf '%p %m %u:%g %T@\\n'").splitlines())


def life(*, scored: bool) -> Iterator[Hardened]:
    """Make the node and yield it, then take it away. scored: whether a scanner looks at it, which takes as long as many tests.

    What changes nothing runs side by side; the first two runs have the machine to themselves, since their times are figures.
    """
    one = up(find("hard", Progress()))
    try:
        prepare(one)
        with ThreadPoolExecutor() as beside:
            before = files(one)
            others = [beside.submit(play, one, {**OPEN, "node_baseline_accounts": {}}), beside.submit(play, one)]
            tried = play(one, OPEN, check=True)
            alone, refused = (other.result() for other in others)
            touched = [f"refused, or check mode: {line}" for line in files(one) ^ before]
            first = play(one, OPEN)
            assert first.good, first.tail
            second = play(one, OPEN)
            scores = beside.submit(judged, twin(one, Progress()), Progress()) if scored else None
            after = files(one)
            tried_again = play(one, OPEN, check=True)
            touched += (f"check mode once hardened: {line}" for line in files(one) ^ after)
            one.reboot()
            yield Hardened(one, alone, refused, tried, first, second, tried_again, tuple(touched), scores)
    finally:
        down(one)


def prepare(one: Node) -> None:
    """What the node is for, another clock, a collector, and package lists that look fresh and are empty."""
    one.inside("sh", "-c", "systemctl is-system-running --wait || true")  # a first boot writes to /etc up to its end
    (one.root / "etc/systemd/system/service.service").write_text(SERVICE)
    one.inside("sh", "-c", "apt-get -q update && apt-get -q -y install systemd-timesyncd systemd-journal-remote")
    (one.root / "etc/systemd/system/collector.service").write_text(RECEIVER)
    with (one.root / "etc/hosts").open("a") as hosts:
        hosts.write(f"127.0.0.1 {COLLECTOR}\n")
    collector(one.home)
    for name, file in (("certs/journal-upload.pem", "pem"), ("private/journal-upload.pem", "key"), ("ca/trusted.pem", "pem")):
        place = one.root / "etc/pki/systemd" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.home / f"collector.{file}", place)
    one.inside("sh", "-c", "cd /etc/pki/systemd && chgrp systemd-journal private/* && chmod 640 private/* && chmod 644 certs/* ca/*")
    one.inside("mkdir", "-p", "/var/log/journal/remote")
    one.inside("systemctl", "enable", "--now", "service.service", "collector.service")
    one.inside("sh", "-c", EMPTY_LISTS)
    variables(one)  # made once, before runs side by side ask for them

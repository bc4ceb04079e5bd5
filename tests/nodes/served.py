"""A node as other roles break on: a service of its own, another clock, package lists that are of no use.

What is in its /etc then is kept beside it, so that a run that should change nothing can be held against it.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.nodes.node import Node
from tests.nodes.play import COLLECTOR, collector, variables

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


def files(one: Node) -> frozenset[str]:
    """Name, mode, owner and time of every file in /etc, a line each."""
    return frozenset(one.inside("sh", "-c", "cd /etc && find . -type f -printf '%p %m %u:%g %T@\\n'").splitlines())


def record(one: Node) -> Path:
    """Where the node's files are listed as they were before any run."""
    return one.home / "files"


def collect(one: Node) -> None:
    """Let the node have a collector of its own: without one, what sends the journal runs only from one try to the next."""
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
    one.inside("systemctl", "enable", "--now", "collector.service")


def prepare(one: Node) -> None:
    """What the node is for, another clock, a collector, and package lists that look fresh and are empty."""
    one.inside("sh", "-c", "systemctl is-system-running --wait || true")  # a first boot writes to /etc up to its end
    (one.root / "etc/systemd/system/service.service").write_text(SERVICE)
    one.inside("sh", "-c", "apt-get -q update && apt-get -q -y install systemd-timesyncd systemd-journal-remote")
    collect(one)
    one.inside("systemctl", "enable", "--now", "service.service")
    one.inside("sh", "-c", EMPTY_LISTS)
    variables(one)  # made once, before runs side by side ask for them
    record(one).write_text("\n".join(sorted(files(one))))

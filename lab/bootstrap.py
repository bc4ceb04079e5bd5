"""The first start of a region's services, inside its machine: databases, Open vSwitch and OVN, Keystone, then all others."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from foundation import stopping
from foundation.errors import LzError
from lab.daemons import APIS, WORKERS
from lab.machine import Machine
from lab.settings import PATIENCE, Region
from lab.trees import database_users, enable

OVS = """
ovs-vsctl --no-wait set open . other_config:userspace-tso-enable=true \
  external-ids:system-id={name} external-ids:hostname={name} \
  external-ids:ovn-remote=tcp:127.0.0.1:6642 external-ids:ovn-encap-type=geneve external-ids:ovn-encap-ip=127.0.0.1 \
  external-ids:ovn-bridge-datapath-type=netdev external-ids:ovn-bridge-mappings=external:br-ex \
  external-ids:ovn-cms-options=enable-chassis-as-gw
systemctl start openvswitch-switch
ovs-vsctl set-manager ptcp:6640:127.0.0.1
ovs-vsctl --may-exist add-br br-int -- set bridge br-int datapath_type=netdev fail_mode=secure
ovs-vsctl --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev
systemctl start br-ex-address
systemctl start ovn-central
for i in $(seq 300); do [ -S /run/ovn/ovnnb_db.sock ] && [ -S /run/ovn/ovnsb_db.sock ] && break; sleep .1; done
ovn-nbctl --inactivity-probe=60000 set-connection ptcp:6641:127.0.0.1
ovn-sbctl --inactivity-probe=60000 set-connection ptcp:6642:127.0.0.1
systemctl start ovn-host tap-up
"""
KEYSTONE = """
runuser -u keystone -- keystone-manage bootstrap --bootstrap-region-id {name} \
  --bootstrap-public-url https://{api}:5000/v3 --bootstrap-internal-url http://127.0.0.1:5000/v3
"""


def start_foundations(machine: Machine, region: Region, secrets: dict[str, str]) -> None:
    """Start for the first time what all others need: Keystone with its database, Open vSwitch, OVN, queue and name server."""
    log = machine.home / "bootstrap.log"

    def shell(script: str, env: dict[str, str] | None = None) -> None:
        machine.inside("bash", "-euc", script, log=log, env=env)

    def identity() -> None:
        machine.inside("systemctl", "start", "mariadb", "memcached", log=log)
        machine.inside("mariadb", stdin=database_users(secrets))
        shell(KEYSTONE.format(name=region.name, api=region.api), {"OS_BOOTSTRAP_PASSWORD": secrets["admin"]})
        machine.inside("systemctl", "start", "haproxy", "keystone", log=log)

    machine.inside("systemctl", "start", "ovsdb-server", log=log)
    lanes: tuple[Callable[[], object], ...] = (
        identity,
        lambda: shell(OVS.format(name=region.name)),
        lambda: machine.inside("systemctl", "start", "rabbitmq-server", "named", log=log),
    )
    with ThreadPoolExecutor(len(lanes)) as pool:
        for future in [pool.submit(lane) for lane in lanes]:
            future.result()


def start_others(machine: Machine) -> None:
    """Start everything else, and make it all start by itself from the next boot on.

    The catalogue comes first: a daemon that does not find itself there ends, is started again, and takes the time of
    those that would work.
    """
    others = [unit for unit in (*APIS, *WORKERS) if unit != "keystone"]
    machine.inside("systemctl", "start", "--no-block", *others, log=machine.home / "bootstrap.log")
    enable(machine.root)


@retry(retry=retry_if_exception_type(LzError), stop=stop_after_delay(PATIENCE), wait=wait_fixed(2), sleep=stopping.pause, reraise=True)
def publish_name_servers(machine: Machine) -> None:
    """Tell Designate which BIND it writes to; its central service must be up, so this is tried again."""
    machine.inside(
        "runuser", "-u", "designate", "--", "designate-manage", "pool", "update", "--file", "/etc/designate/pools.yaml",
        log=machine.home / "bootstrap.log", timeout=60,
    )  # fmt: skip


def map_compute_host(machine: Machine) -> None:
    """Wait until nova-compute has reported itself and map it into its cell, which nobody else does."""
    log = machine.home / "bootstrap.log"
    deadline = time.monotonic() + PATIENCE
    count = "select count(*) from compute_nodes where deleted = 0"
    while time.monotonic() < deadline and machine.inside("mariadb", "-NBe", count, "nova").strip() == "0":
        stopping.pause(1)
    machine.inside("runuser", "-u", "nova", "--", "nova-manage", "cell_v2", "discover_hosts", log=log)

"""Whether a region works: every endpoint by TLS from outside, every agent by its own API."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException

from foundation.errors import LzError, Problem
from lab.settings import PATIENCE, SERVICES, Places, Region, Service


@dataclass(frozen=True)
class Answer:
    """One probe of an endpoint. status: HTTP status, 0 when nothing answered. milliseconds: of the whole exchange."""

    service: str
    url: str
    status: int
    milliseconds: float
    error: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 400


def probe(region: Region, places: Places, service: Service, timeout: float = 5) -> Answer:
    """Ask the service's own probe path by TLS, trusting the lab's authority only."""
    url = f"https://{region.api}:{service.port}{service.probe}"
    began = time.monotonic()
    try:
        context = ssl.create_default_context(cafile=str(places.ca))
        with urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)).open(
            url, timeout=timeout
        ) as response:
            status, error = response.status, ""
    except urllib.error.HTTPError as problem:
        status, error = problem.code, problem.reason
    except OSError as problem:
        status, error = 0, str(problem)
    return Answer(service.name, url, status, (time.monotonic() - began) * 1000, error)


def probe_all(region: Region, places: Places) -> list[Answer]:
    return [probe(region, places, service) for service in SERVICES]


def await_service(region: Region, places: Places, name: str, seconds: float = PATIENCE) -> None:
    """Wait until one endpoint answers. Raises LzError with the last answer."""
    service = next(service for service in SERVICES if service.name == name)
    _await(lambda: [probe(region, places, service)], region, seconds)


def await_region(region: Region, places: Places, cloud: Connection, seconds: float = PATIENCE) -> None:
    """Wait until every endpoint answers and every agent reports itself. Raises LzError naming those that do not."""
    _await(lambda: probe_all(region, places), region, seconds)
    deadline = time.monotonic() + seconds
    while missing := _silent_or_error(cloud):
        if time.monotonic() > deadline:
            raise LzError(
                Problem(
                    f"{region.name}: not everything reports itself", why=", ".join(missing), cure="run `lz lab doctor`, then `lz lab logs`"
                )
            )
        time.sleep(1)


def _silent_or_error(cloud: Connection) -> list[str]:
    """A service that answers its probe may still refuse its first calls; that is waited for like a silent agent."""
    try:
        return silent_agents(cloud)
    except (SDKException, ClientException) as problem:
        return [str(problem)]


def _await(ask: Any, region: Region, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while bad := [answer for answer in ask() if not answer.good]:
        if time.monotonic() > deadline:
            raise LzError(
                *(
                    Problem(
                        f"{region.name}: {answer.service} does not work",
                        where=answer.url,
                        why=answer.error or f"HTTP {answer.status}",
                        cure="run `lz lab doctor`, then `lz lab logs`",
                    )
                    for answer in bad
                )
            )
        time.sleep(0.5)


NOVA = ("nova-compute", "nova-conductor", "nova-scheduler")
CINDER = ("cinder-scheduler", "cinder-volume", "cinder-backup")


def silent_agents(cloud: Connection) -> list[str]:
    """Names of the daemons that should report themselves by their service's API and do not."""
    compute: Any = cloud.compute
    storage: Any = cloud.block_storage
    network: Any = cloud.network
    up = {service.binary for service in compute.services() if service.state == "up"}
    up |= {service.binary for service in storage.services() if service.state == "up"}
    agents = [agent for agent in network.agents() if agent.is_alive]
    silent = [name for name in (*NOVA, *CINDER) if name not in up]
    kinds = " ".join(agent.agent_type for agent in agents)
    silent += [name for name in ("OVN Controller", "OVN Metadata agent") if name not in kinds]
    return silent

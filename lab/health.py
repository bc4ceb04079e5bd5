"""Whether a region works: every endpoint by TLS from outside, every agent by its own API."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from keystoneauth1.exceptions import ClientException
from openstack.connection import Connection
from openstack.exceptions import SDKException
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from foundation import stopping
from foundation.errors import LzError, Problem, raise_all
from lab.settings import PATIENCE, SERVICES, Places, Region, Service

PAUSE = 0.5  # seconds between two looks at the endpoints
AGENT_PAUSE = 1.0  # and at the agents, of which each look asks three services
CURE = "run `lz lab doctor`, then `lz lab logs`"


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
        """Whether the service works."""
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
    """One answer of each service."""
    return [probe(region, places, service) for service in SERVICES]


def await_service(region: Region, places: Places, name: str, seconds: float = PATIENCE) -> None:
    """Wait until one endpoint answers. Raises LzError with the last answer."""
    service = next(service for service in SERVICES if service.name == name)
    _await(lambda: _unwell(region, [probe(region, places, service)]), seconds, PAUSE)


def await_region(region: Region, places: Places, cloud: Connection, seconds: float = PATIENCE) -> None:
    """Wait until every endpoint answers and every agent reports itself. Raises LzError naming those that do not."""
    _await(lambda: _unwell(region, probe_all(region, places)), seconds, PAUSE)
    _await(lambda: _unreported(region, cloud), seconds, AGENT_PAUSE)


def _await(look: Callable[[], list[Problem]], seconds: float, pause: float) -> None:
    """Look again and again until nothing is wrong. Raises LzError with what was wrong at the last look."""
    looking = Retrying(
        retry=retry_if_exception_type(LzError), stop=stop_after_delay(seconds), wait=wait_fixed(pause), sleep=stopping.pause, reraise=True
    )
    looking(lambda: raise_all(look(), LzError))


def _unwell(region: Region, answers: Iterable[Answer]) -> list[Problem]:
    return [
        Problem(f"{region.name}: {answer.service} does not work", where=answer.url, why=answer.error or f"HTTP {answer.status}", cure=CURE)
        for answer in answers
        if not answer.good
    ]


def _unreported(region: Region, cloud: Connection) -> list[Problem]:
    """A service that answers its probe may still refuse its first calls; that is waited for like a silent agent."""
    try:
        missing = silent_agents(cloud)
    except (SDKException, ClientException) as problem:
        missing = [str(problem)]
    return [Problem(f"{region.name}: not everything reports itself", why=", ".join(missing), cure=CURE)] if missing else []


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

"""A region is waited for: whoever does not answer is named when the time is over, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from openstack.exceptions import SDKException

from foundation.errors import LzError
from lab import health
from lab.health import Answer, await_region, await_service
from lab.settings import REGIONS, SERVICES, Places, Region, Service

NORTH = REGIONS["north"]
PLACES = Places(Path("/nowhere"))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PAUSE", 0.0)
    monkeypatch.setattr(health, "AGENT_PAUSE", 0.0)


@pytest.fixture
def statuses(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[int]]:
    """What each service answers, look after look; one that is not named works."""
    said: dict[str, Iterator[int]] = {}

    def answer(region: Region, places: Places, service: Service) -> Answer:
        return Answer(service.name, region.url(service), next(said.get(service.name, iter(())), 200), 1.0)

    monkeypatch.setattr(health, "probe", answer)
    return said


def reporting() -> MagicMock:
    """A cloud whose every agent reports itself."""
    cloud = MagicMock()
    cloud.compute.services.return_value = [MagicMock(binary=name, state="up") for name in health.NOVA]
    cloud.block_storage.services.return_value = [MagicMock(binary=name, state="up") for name in health.CINDER]
    cloud.network.agents.return_value = [MagicMock(is_alive=True, agent_type=f"OVN {kind}") for kind in ("Controller", "Metadata agent")]
    return cloud


def test_what_comes_late_is_waited_for(statuses: dict[str, Iterator[int]]) -> None:
    statuses["nova"] = iter([0, 404, 503, 300])
    await_service(NORTH, PLACES, "nova", 5)
    assert next(statuses["nova"], None) is None
    cloud = reporting()
    cloud.compute.services.side_effect = [SDKException("not yet"), [], cloud.compute.services.return_value]
    await_region(NORTH, PLACES, cloud, 5)
    assert cloud.compute.services.call_count == 3


def test_every_endpoint_that_does_not_work_is_named(statuses: dict[str, Iterator[int]]) -> None:
    for name in ("nova", "cinder"):
        statuses[name] = iter(int, 1)
    with pytest.raises(LzError) as caught:
        await_region(NORTH, PLACES, reporting(), 0.05)
    assert [problem.what for problem in caught.value.problems] == ["north: nova does not work", "north: cinder does not work"]
    assert {problem.where for problem in caught.value.problems} <= {NORTH.url(service) for service in SERVICES}
    assert caught.value.problems[0].why == "HTTP 0"


def test_an_agent_that_does_not_report_itself_is_named(statuses: dict[str, Iterator[int]]) -> None:
    cloud = reporting()
    cloud.network.agents.return_value[0].is_alive = False
    with pytest.raises(LzError, match=r"not everything reports itself\n.*why: +OVN Controller"):
        await_region(NORTH, PLACES, cloud, 0.05)

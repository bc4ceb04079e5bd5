"""Regions that cannot be worked on: all that is wrong with any is told at once, and until then nothing is made or put aside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from openstack.connection import Connection
from openstack.exceptions import HttpException

from foundation.errors import InputError, Problem
from foundation.places import CHECKOUT
from landing_zone.engine import access_key, clouds
from landing_zone.engine.home import Home
from landing_zone.engine.opening import Asked, Refused, check_state, open_run, reach
from landing_zone.engine.runs import Run
from landing_zone.engine.stack import StackKey
from tests.support.keystone import PASSWORD, keystone, make_certificates
from tests.unit.engine.support import FakeStacks, plan

DEAD = "https://127.0.0.1:1/v3"


class Known(FakeStacks):
    """Stacks whose states know a domain of each region; remembers what was put aside."""

    def domains(self, key: StackKey) -> dict[str, str]:
        return {f"{key.region}-domain": f"{key.region}-id"}

    def forget(self, key: StackKey) -> None:
        self.did.append(f"forget {key.name}")


def answering(*ids: str) -> Any:
    """A cloud with the domains of these ids."""
    made = MagicMock()
    made.identity.find_domain.side_effect = lambda one, ignore_missing: one if one in ids else None
    return made


def ill() -> Any:
    made = MagicMock()
    made.identity.find_domain.side_effect = HttpException("503")
    return made


@pytest.fixture
def stacks(tmp_path: Path) -> Known:
    return Known(Home(tmp_path), stands={"lab.north.identity", "lab.south.identity"})


def run_on(stacks: Any, stage: Any, said: list[str] | None = None, **connections: Any) -> Run:
    return Run(replace(plan(), stage=stage), stacks, {}, connections, (said if said is not None else []).append)


def problems_of(run: Run, *refusals: Problem) -> list[str]:
    with pytest.raises(InputError) as caught:
        check_state(run, refusals)
    return [f"{problem.what}: {problem.where.partition(',')[0]}" for problem in caught.value.problems]


def test_every_region_with_another_cloud_is_told_and_every_refusal_before(stacks: Known) -> None:
    run = run_on(stacks, "production", north=answering(), south=answering("north-id"))
    assert problems_of(run, Problem("refused", "region east")) == [
        "refused: region east",
        "the state is about another cloud than the one that answers: region north",
        "the state is about another cloud than the one that answers: region south",
    ]


def test_a_region_that_does_not_say_what_it_has_does_not_hide_another(stacks: Known) -> None:
    run = run_on(stacks, "production", north=ill(), south=answering())
    assert problems_of(run) == [
        "the cloud does not say which domains it has: region north",
        "the state is about another cloud than the one that answers: region south",
    ]


def test_the_regions_that_can_be_worked_on_are_named(stacks: Known) -> None:
    """Not one whose old state would be put aside for it."""
    for south in ill(), answering():
        run = run_on(stacks, "lab", north=answering("north-id"), south=south)
        with pytest.raises(Refused) as caught:
            check_state(run, [Problem("refused", "region east")])
        assert caught.value.others == ("north",)


@pytest.mark.parametrize("other", ["refused", "ill"])
def test_a_lab_s_old_state_is_not_put_aside_while_anything_is_wrong_with_another_region(stacks: Known, other: str) -> None:
    more = {"south": ill()} if other == "ill" else {}
    refusals = (Problem("refused", "region south"),) if other == "refused" else ()
    assert len(problems_of(run_on(stacks, "lab", north=answering(), **more), *refusals)) == 1
    assert stacks.did == []


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The entry of a cloud that knows region north; no second tries."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(clouds, "SIGN_IN_PAUSES", ())
    monkeypatch.setattr(clouds, "CONNECT_RETRIES", 0)
    made = make_certificates(tmp_path / "tls")
    with keystone(made) as url:
        yield f"{{auth: {auth(url)}, cacert: {made.ca}}}"


def auth(url: str) -> str:
    return f"{{auth_url: '{url}', username: admin, password: {PASSWORD}, project_name: a, user_domain_name: d, project_domain_name: d}}"


def entries(folder: Path, monkeypatch: pytest.MonkeyPatch, **clouds_: str) -> None:
    file = folder / "clouds.yaml"
    file.write_text("clouds:\n" + "".join(f"  {name.replace('_', '-')}: {text}\n" for name, text in clouds_.items()))
    monkeypatch.setenv(clouds.VARIABLE, str(file))


def test_one_entry_is_not_whole_and_another_cloud_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str) -> None:
    entries(tmp_path, monkeypatch, lab_north="{}", lab_south=f"{{auth: {auth(DEAD)}}}")
    with pytest.raises(InputError) as caught:
        open_run(Asked("lab"), lambda _: None)
    assert [problem.what for problem in caught.value.problems] == ["cloud 'lab-north' has no auth.auth_url", "the cloud does not answer"]


def test_what_can_be_signed_in_to_is_and_the_others_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str) -> None:
    entries(tmp_path, monkeypatch, lab_north=good)
    found = reach(plan(), ["north", "south"])
    assert found.connections["north"].current_project_id == "p"
    assert list(found.connections) == ["north"]
    assert {region: problem.what for region, problem in found.problems.items()} == {"south": "clouds.yaml has no cloud 'lab-south'"}


def test_without_any_clouds_file_that_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(clouds.VARIABLE, str(tmp_path / "none.yaml"))
    found = reach(plan(), ["north", "south"])
    assert set(found.problems) == {"north", "south"}
    assert len(found.refusals) == 1


def test_no_access_key_is_made_while_a_region_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str) -> None:
    made: list[Any] = []
    monkeypatch.setattr(access_key, "ensure", lambda *asked: made.append(asked))
    entries(tmp_path, monkeypatch, lab_north=good)
    file = tmp_path / "bucket.yaml"
    text = (CHECKOUT / "environments" / "lab.yaml").read_text()
    file.write_text(f"{text}\nstate: {{backend: s3, url: 's3://states?endpoint=https://127.0.0.1:1&region=north'}}\n")
    with pytest.raises(InputError, match="no cloud 'lab-south'"):
        open_run(Asked(str(file)), lambda _: None)
    assert made == []


def test_once_means_that_nobody_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str) -> None:
    """A cloud that does not answer costs one call, and a connection that was made so does not insist later."""
    tries: list[dict[str, Any]] = []
    plain = clouds.connect

    def counted(*asked: Any, **how: Any) -> Connection:
        tries.append(how)
        return plain(*asked, **how)

    monkeypatch.setattr(clouds, "connect", counted)
    monkeypatch.setattr(clouds, "SIGN_IN_PAUSES", (0.0, 0.0))
    entries(tmp_path, monkeypatch, lab_north=good, lab_south=f"{{auth: {auth(DEAD)}}}")
    found = reach(plan(), ["north", "south"], once=True)
    assert [how["once"] for how in tries] == [True, True]
    assert found.connections["north"].config.get_status_code_retries("compute") == 0
    tries.clear()
    reach(plan(), ["south"])
    assert len(tries) == 3
    assert os.environ[clouds.VARIABLE] == str(tmp_path / "clouds.yaml")

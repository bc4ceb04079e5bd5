"""All of the proof: what is tried in each region, that nothing of it is left out unsaid, and that the probes alone are removed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from keystoneauth1.exceptions import Unauthorized

from foundation.errors import InputError
from landing_zone.engine.home import Home
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import RegionPlan
from landing_zone.planners.shares import owners
from landing_zone.proof import credentials, entry, isolation, packets, verify
from landing_zone.proof.results import Result, Verdict
from tests.unit.engine.support import FakeStacks, plan

REGIONS = {region.name: region for region in plan().regions.values()}
BASTIONS = [region.access.bastion.hostname for region in REGIONS.values()]
PROBES = [spec.hostname for spec in REGIONS["north"].probes.instances]
ALL = ["edu", "health", "portal"]


def made_by(region: RegionPlan, layer: str) -> dict[str, dict[str, str]]:
    """What a layer gives out when it stands as planned, by kind and name."""
    ids: dict[str, dict[str, str]] = {}
    for (kind, name), owner in owners(region).items():
        if owner == layer:
            ids.setdefault(kind, {})[name] = "1"
    return ids


class Standing(FakeStacks):
    """Everything has its ids while it stands, but for the stack that is bare."""

    bare = ""

    def outputs(self, key: StackKey) -> dict[str, Any]:
        if key.name not in self.stands:
            return {}
        if key.layer == "access":
            return {"bastion": {"instance": f"i-{key.region}", "address": "198.18.0.9"}}
        if key.layer == "probes":
            return {"instances": {spec.name: f"i-{spec.name}" for spec in REGIONS[key.region].probes.instances}}
        made = {} if key.name == self.bare else made_by(REGIONS[key.region], key.layer)
        return {"ids": {**made, "of": key.layer}}


@dataclass
class Ground(Run):
    """A run that makes and removes stacks at once, and remembers what it was asked for. `shut`: projects that nobody signs in to."""

    did: list[str] = field(default_factory=list)
    shut: set[str] = field(default_factory=set)

    def previews(self, keys: Any, *, full: bool = False) -> list[Any]:
        return list(keys)

    def apply(self, previews: Any) -> list[Any]:
        for key in previews:
            self._stands.add(key.name)
            self.did.append(f"up {key.region}.{key.layer}")
        return []

    def remove(self, keys: Any) -> list[Any]:
        for key in keys:
            self._stands.discard(key.name)
            self.did.append(f"destroy {key.region}.{key.layer}")
        return []

    @property
    def _stands(self) -> set[str]:
        stacks: Any = self.stacks
        found: set[str] = stacks.stands
        return found


def result(region: str, what: str, control: str = "C") -> Result:
    return Result(control, region, what, Verdict.PASS, "")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ground:
    """Both regions stand. Each part of the proof tells that it was asked, and about whom."""
    stacks: Any = Standing(Home(tmp_path))
    stacks.stands = {
        f"lab.{name}.{layer}" for name in REGIONS for layer in ("identity", "network", "access", *map("tenant-{}".format, ALL))
    }
    made = Ground(plan(), stacks, {}, {name: MagicMock() for name in REGIONS}, lambda _: None)
    nova: Any
    for nova in made.connections.values():
        keys = "-----BEGIN SSH HOST KEY KEYS-----\nssh-ed25519 " + "A" * 68 + "\n-----END SSH HOST KEY KEYS-----"
        nova.compute.get_server_console_output.return_value = {"output": keys}

    def tried(home: Home, instances: Any, checks: Any, region: str) -> tuple[list[Result], dict[str, str]]:
        made.did.append(f"try {region}")
        return [result(region, "packets")], {}

    def blind(connection: Any, region: str, tenant: str, other: str, ids: Any) -> Iterator[Result]:
        assert set(ids) == set(ALL)
        assert all(ids[code]["of"] == f"tenant-{code}" for code in ALL)
        yield result(region, f"{connection.project} looks at {other}")

    def account(run: Ground, region: Any, user: Any, project: str) -> SimpleNamespace:
        return SimpleNamespace(project=project, authorize=MagicMock(side_effect=Unauthorized("no") if project in run.shut else None))

    monkeypatch.setattr(packets, "try_all", tried)
    monkeypatch.setattr(entry, "check", lambda home, environment, host: [result(host.region, f"entry of {host.name}")])
    monkeypatch.setattr(isolation, "check", blind)
    monkeypatch.setattr(verify, "as_machine", account)
    monkeypatch.setattr(credentials, "check_tenant", lambda *words: [result(words[2], f"credentials of {words[3].code}")])
    return made


def checks(found: list[Result], region: str = "north") -> list[str]:
    return [one.check for one in found if one.region == region]


def test_each_part_of_the_proof_is_in_what_comes_out_of_each_region(run: Ground) -> None:
    found = verify.verify(run, REGIONS, Selection())
    for region, bastion in zip(REGIONS, BASTIONS, strict=True):
        assert checks(found, region) == [
            f"entry of {bastion}", "packets",
            "lab-edu-main looks at health", "lab-health-main looks at portal", "lab-portal-main looks at edu",
            *(f"credentials of {code}" for code in ALL),
        ]  # fmt: skip


def test_probes_are_made_and_removed_and_nothing_else_is(run: Ground) -> None:
    verify.verify(run, ["north"], Selection())
    assert run.did == ["up north.probes", "try north", "destroy north.probes"]
    known = run.stacks.home.known_hosts.read_text()
    assert BASTIONS[0] in known
    assert not [name for name in PROBES if name in known]


def test_probes_that_are_to_be_kept_are(run: Ground) -> None:
    verify.verify(run, ["north"], Selection(), keep_probes=True)
    assert run.did == ["up north.probes", "try north"]
    assert all(name in run.stacks.home.known_hosts.read_text() for name in PROBES)


def test_probes_are_removed_also_when_the_proof_breaks_off(run: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(packets, "try_all", broken)
    with pytest.raises(KeyboardInterrupt):
        verify.verify(run, ["north"], Selection())
    assert run.did == ["up north.probes", "destroy north.probes"]


def test_a_region_that_is_not_up_is_refused_before_anything_is_made(run: Ground) -> None:
    stacks: Any = run.stacks
    stacks.stands.discard("lab.south.access")
    run.plan = replace(run.plan, called="elsewhere/lab.yaml@lab")
    with pytest.raises(InputError, match=r"(?s)region south is not up.*lz up --env elsewhere/lab.yaml@lab --region south") as refused:
        verify.verify(run, REGIONS, Selection())
    assert len(refused.value.problems) == 1
    assert run.did == []


def test_tenants_that_are_not_up_are_told_before_probes_are_made(run: Ground) -> None:
    """One that stands in the file alone, and one that was made in part."""
    stacks: Any = run.stacks
    stacks.stands.discard("lab.north.tenant-edu")
    stacks.bare = "lab.north.tenant-portal"
    with pytest.raises(InputError, match="not there yet, or not in full: tenant-edu, tenant-portal"):
        verify.verify(run, REGIONS, Selection())
    assert run.did == []


def test_hosts_of_other_regions_stay_reachable(run: Ground) -> None:
    verify.verify(run, ["north"], Selection())
    text = run.stacks.home.ssh_config.read_text()
    assert [name for name in BASTIONS if f"Host {name}\n" in text] == BASTIONS


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Selection(layers=frozenset({"access"})), [f"entry of {BASTIONS[0]}", "packets"]),
        (
            Selection(tenants=frozenset({"edu"})),
            ["packets", "lab-edu-main looks at health", "lab-portal-main looks at edu", "credentials of edu"],
        ),
    ],
)
def test_of_a_part_all_is_tried_of_which_one_end_is_in_it(run: Ground, part: Selection, said: list[str]) -> None:
    assert checks(verify.verify(run, ["north"], part)) == said


def test_a_tenant_that_cannot_sign_in_could_not_be_evaluated(run: Ground) -> None:
    run.shut = {"lab-health-main"}
    found = [one for one in verify.verify(run, ["north"], Selection()) if one.verdict is not Verdict.PASS]
    assert [(one.control, one.check, one.verdict) for one in found] == [
        ("NET-04", "health cannot see other tenants by the API", Verdict.UNKNOWN)
    ]


@pytest.mark.parametrize(("codes", "looks"), [(["edu"], 0), (["edu", "health"], 2)])
def test_two_tenants_are_enough_to_look_at_each_other(run: Ground, monkeypatch: pytest.MonkeyPatch, codes: list[str], looks: int) -> None:
    north = REGIONS["north"]
    fewer = replace(north, tenants={code: north.tenants[code] for code in codes})
    run.plan = replace(run.plan, regions={"north": fewer})
    monkeypatch.setattr(isolation, "check", lambda connection, region, *_: [result(region, "look")])
    assert checks(verify.verify(run, ["north"], Selection())).count("look") == looks


def test_without_probes_that_is_told(run: Ground) -> None:
    north = REGIONS["north"]
    run.plan = replace(run.plan, regions={"north": replace(north, probes=replace(north.probes, instances=(), checks=()))})
    found = verify.verify(run, ["north"], Selection())
    assert [one.control for one in found if one.verdict is Verdict.UNKNOWN] == ["NET-02"]
    assert run.did == ["try north"]

"""Both renderings of the benchmark's graph are the same graph, and the table says what was recorded."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from benchmarks import measure, opentofu, peers
from benchmarks.graph import census, ours, plain, tofu
from benchmarks.graph.description import PREFIX, TENANT_SIZE, Node, Ref, Value, describe
from benchmarks.opentofu import STEPS, Sample, Side
from landing_zone.engine import clouds
from landing_zone.engine.clouds import Cloud
from landing_zone.engine.stack import StackKey
from policy import rules
from tests.support import pulumi_recorder
from tests.support.pulumi_recorder import Made, Recorder
from tools import gobuild

PLACE = ours.Place("cloud", "north")


@pytest.fixture(scope="module")
def program() -> Recorder:
    return pulumi_recorder.run(lambda: ours.compose(describe(1)[0], PLACE))


def cloud_resources(recorder: Recorder) -> list[Made]:
    return [made for made in recorder.made if made.type.startswith("openstack:")]


def refs(value: Value) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from refs(each)
    elif isinstance(value, list):
        for each in value:
            yield from refs(each)


def ids(value: object) -> object:
    """A property of the program with the mocks' ids told apart from plain text."""
    return json.loads(json.dumps(value).replace('"id-of-', '"'))


def expressions(value: object) -> object:
    """A property of the configuration with expressions replaced by the name that they are about."""
    if isinstance(value, str) and value.startswith("${"):
        return value.split(".")[1]
    if isinstance(value, dict):
        return {name: expressions(each) for name, each in value.items()}
    if isinstance(value, list):
        return [expressions(each) for each in value]
    return value


def camel(name: str) -> str:
    head, *rest = ours.RENAMED.get(name, name).split("_")
    return head + "".join(part.title() for part in rest)


def camels(value: object) -> object:
    if isinstance(value, dict):
        return {camel(name): camels(each) for name, each in value.items()}
    return [camels(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("tenants", [1, 5, 50])
def test_a_tenant_has_forty_resources_with_names_of_their_own(tenants: int) -> None:
    graph = describe(tenants)
    assert [len(tenant.nodes) for tenant in graph] == [TENANT_SIZE] * tenants
    assert len({node.ref for tenant in graph for node in tenant.nodes}) == TENANT_SIZE * tenants


def test_references_are_to_earlier_nodes_of_the_same_tenant() -> None:
    for tenant in describe(3):
        known: set[Ref] = set()
        for node in tenant.nodes:
            assert set(refs(dict(node.properties))) <= known
            known.add(node.ref)


def test_addresses_lie_in_their_networks_and_networks_do_not_overlap() -> None:
    configured = tofu.render(describe(50), "cloud", "north", "1.0")["resource"]
    subnets = {name: ip_network(one["cidr"]) for name, one in configured["openstack_networking_subnet_v2"].items()}
    assert len(set(subnets.values())) == len(subnets) == 150
    for port in configured["openstack_networking_port_v2"].values():
        for fixed in port["fixed_ip"]:
            assert ip_address(fixed["ip_address"]) in subnets[str(expressions(fixed["subnet_id"]))]


def test_both_sides_have_the_same_resources(program: Recorder) -> None:
    tenant = describe(1)[0]
    configured = tofu.render([tenant], "cloud", "north", "1.0")["resource"]
    by_class = {(made.type, made.name) for made in cloud_resources(program)}
    assert sum(len(named) for named in configured.values()) == len(by_class) == TENANT_SIZE
    assert {(kind, name) for kind, named in configured.items() for name in named} == census.expected([tenant])
    tokens = {kind: {made.type for made in cloud_resources(program) if made.name in named} for kind, named in configured.items()}
    assert {name for _, name in by_class} == {name for named in configured.values() for name in named}
    assert all(tokens.values())


def test_both_sides_give_every_resource_the_same_properties(program: Recorder) -> None:
    tenant = describe(1)[0]
    configured = tofu.render([tenant], "cloud", "north", "1.0")["resource"]
    given = {(made.name, made.type): ids(made.inputs) for made in cloud_resources(program)}
    for node in tenant.nodes:
        wanted = camels(expressions(configured[node.kind][node.name]))
        assert wanted in [inputs for (name, _), inputs in given.items() if name == node.name]


def test_the_graph_keeps_the_guard_rails(program: Recorder) -> None:
    known = ours.facts(describe(1)[0], PLACE)
    assert [found for made in cloud_resources(program) for found in rules.check(made.type, made.name, made.inputs, known)] == []


def test_the_provider_is_the_administrators_entry(program: Recorder) -> None:
    provider = next(made for made in program.made if made.type == "pulumi:providers:openstack")
    assert provider.inputs == {"cloud": "cloud", "region": "north"}
    assert all("admin-north" in made.provider for made in cloud_resources(program))


def test_names_begin_so_that_the_census_finds_them() -> None:
    nodes: list[Node] = [node for tenant in describe(2) for node in tenant.nodes]
    assert [node.name for node in nodes if not node.name.startswith(PREFIX)] == []
    assert set(census.LISTERS) == {node.kind for node in nodes}
    named = [node for node in nodes if "interface" not in node.kind]
    assert [node for node in named if node.name not in (node.properties.get("name"), node.properties.get("description"))] == []


def test_the_peers_are_the_pinned_versions_and_their_go_modules_complete() -> None:
    known = peers.load()
    assert {name: artefact.version for name, artefact in known.artefacts.items()} == {
        "opentofu": "1.12.6",
        "terraform-provider-openstack": "3.4.0",
    }
    for artefact in known.artefacts.values():
        module = (artefact.sources() / "go.mod").read_text()
        sums = (artefact.sources() / "go.sum").read_text()
        wanted = next(line.removeprefix("go ") for line in module.splitlines() if line.startswith("go "))
        assert gobuild.version_of(wanted) == gobuild.version_of(known.go.minimum)
        direct = next(line.strip() for line in module.splitlines() if line.strip().endswith(f" v{artefact.version}"))
        assert f"{direct} h1:" in sums
        assert artefact.build.package.startswith(direct.split()[0])


def test_the_table_has_medians_and_the_ratio_within_pairs() -> None:
    seconds = {("a", "lz"): 10.0, ("a", "tofu"): 20.0, ("b", "lz"): 30.0, ("b", "tofu"): 30.0, ("c", "lz"): 99.0}
    samples = [Sample(pair, side, 200, "create", took, 1.5) for (pair, side), took in seconds.items()]
    assert "| create | 20.0 (10.0-30.0) | 25.0 (20.0-30.0) | 0.75 (0.50-1.00) | 2 |" in opentofu.table(samples)


def test_what_was_taken_with_the_cloud_apart_has_a_table_of_its_own() -> None:
    taken = ((False, "lz", 9.0), (False, "tofu", 6.0), (True, "lz", 9.0), (True, "tofu", 9.0))
    samples = [Sample(str(away), side, 200, "create", took, 1.5, away) for away, side, took in taken]
    together, alone = opentofu.table(samples).split("200 resources, cloud and tools apart, load 1.5")
    assert "| create | 9.0 | 6.0 | 1.50 | 1 |" in together
    assert "| create | 9.0 | 9.0 | 1.00 | 1 |" in alone


def test_both_sides_take_every_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    programs = {name: tmp_path / name for name in ("opentofu", "terraform-provider-openstack")}
    for file in programs.values():
        file.touch()
    monkeypatch.setattr(peers, "obtain", lambda _: programs)
    monkeypatch.setattr(tofu.Tofu, "init", lambda *_: None)
    monkeypatch.setenv(clouds.VARIABLE, "clouds.yaml")
    with opentofu.theirs(describe(1), "cloud", "north", None) as theirs:
        assert list(theirs.steps) == list(opentofu.ours(1, "cloud", "north").steps) == list(STEPS)


def test_who_begins_changes_from_pair_to_pair_and_from_go_to_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def run(side: Side, _graph: object, _cloud: object, _pair: str, _away: bool) -> Iterator[Sample]:
        asked.append(side.name)
        yield Sample(str(len(asked) // 2), side.name, 200, "create", 1.0, 0.1)

    monkeypatch.setattr(opentofu, "run", run)
    sides, record = (Side("lz", {}), Side("tofu", {})), tmp_path / "record"
    opentofu.in_turns(sides, describe(1), MagicMock(), 1, record)
    assert asked == ["lz", "tofu"]
    record.write_text(record.read_text().splitlines()[0] + "\n")
    opentofu.in_turns(sides, describe(1), MagicMock(), 2, record)
    assert asked[2:] == ["tofu", "lz", "lz", "tofu"]


def test_the_state_of_a_tenant_that_is_no_longer_there_is_put_aside_before_the_graph_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = MagicMock()
    stacks.standing.return_value = {f"graph.{region}.tenant-graph-t00{number}" for region in ("north", "south") for number in (0, 1)}
    stacks.domains.side_effect = lambda key: {"domain": key.layer}
    monkeypatch.setattr(ours, "agrees", lambda ids, _: "tenant-graph-t001" not in ids)
    monkeypatch.setattr(ours.GraphRun, "previews", lambda *_: [])
    run = ours.GraphRun(MagicMock(code=ours.CODE), stacks, {}, {"north": MagicMock()}, lambda _: None, place=PLACE)
    ours.up(run)
    assert [call.args[0].name for call in stacks.forget.call_args_list] == ["graph.north.tenant-graph-t001"]


def test_what_stands_is_looked_after_as_that_of_an_environment_although_the_plan_has_no_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    stacks, recovered = MagicMock(), list[StackKey]()
    key = StackKey(ours.CODE, PLACE.region, "tenant-graph-t000")
    stacks.standing.return_value = {key.name}
    stacks.resources.return_value = [{"type": "pulumi:providers:openstack", "inputs": {"cloud": PLACE.cloud}}]
    monkeypatch.setattr("landing_zone.engine.recovery.recover", lambda stacks, key, site, say: recovered.append(key))
    known = {PLACE.cloud: Cloud(PLACE.cloud, "https://x", None)}
    run = ours.GraphRun(MagicMock(code=ours.CODE, regions={}), stacks, known, {PLACE.region: MagicMock()}, lambda _: None, place=PLACE)
    run.recover([key])
    assert recovered == [key]


def test_plain_calls_make_each_thing_after_those_that_it_refers_to() -> None:
    tenant = describe(1)[0]
    needed = plain.needs(tenant)
    assert needed.keys() == {node.ref for node in tenant.nodes}
    assert {node.ref: frozenset(refs(list(node.properties.values()))) for node in tenant.nodes} == needed
    assert {node.kind for node in tenant.nodes} == plain.MAKERS.keys()


def test_the_memory_of_a_command_is_that_of_all_its_processes() -> None:
    hungry = "import time; kept = bytearray(b'x') * (60 << 20); time.sleep(1.5)"
    script = "import subprocess, sys; [p.wait() for p in [subprocess.Popen([sys.executable, '-c', sys.argv[1]]) for _ in range(2)]]"
    cost = measure.cost([sys.executable, "-c", script, hungry])
    assert 120 < cost.peak_mib < 240
    assert cost.seconds > 1.5

"""What `lz plan` may leave unlooked at: a stack is skipped only while nothing that decides about it has changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from foundation.errors import LzError
from foundation.places import CHECKOUT
from landing_zone.engine import fingerprint, runs
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.plan import DomainSpec, RegionPlan, TenantPlan
from landing_zone.planners.shares import share
from stacks.inputs import Endpoint, Inputs, password_name
from tests.unit.engine.support import plan

NORTH = Selection(regions=frozenset({"north"}))
LAYERS = ["identity", "network", "access", "tenant-edu", "tenant-health", "tenant-portal"]


def fakes(run: Run) -> Any:
    return run.stacks


def looked_at(run: Run, *, full: bool = False) -> list[str]:
    """Layers of the north that a plan looks at."""
    fakes(run).did.clear()
    outcomes = run.previews(run.planned(NORTH), full=full)
    looked = [outcome.key.layer for outcome in outcomes if outcome.operation == "preview"]
    assert fakes(run).did == [f"preview north.{layer}" for layer in looked]
    assert {outcome.operation for outcome in outcomes} <= {"preview", "skip"}
    return looked


@pytest.fixture
def settled(run: Run) -> Run:
    """Every stack of the north has been made and found right."""
    fakes(run).stands = {key.name for key in run.planned(NORTH)}
    assert looked_at(run) == LAYERS
    assert looked_at(run) == []
    return run


def test_what_is_skipped_counts_as_unchanged_with_its_resources(settled: Run) -> None:
    for outcome in settled.previews(settled.planned(NORTH)):
        assert (outcome.operation, outcome.changed, outcome.changes, outcome.resources) == ("skip", False, {"same": 1}, 1)
    assert [outcome.operation for outcome in settled.apply(settled.previews(settled.planned(NORTH)))] == ["skip"] * len(LAYERS)


def test_full_looks_at_all(settled: Run) -> None:
    assert looked_at(settled, full=True) == LAYERS
    assert looked_at(settled) == []


def north(run: Run, **changes: Any) -> None:
    run.plan = replace(run.plan, regions={**run.plan.regions, "north": replace(run.plan.regions["north"], **changes)})


def tenant(region: RegionPlan, code: str) -> TenantPlan:
    found = region.tenants[code]
    return replace(found, identity=replace(found.identity, domains=(DomainSpec("other", "other"),)))


def change_tenant(run: Run) -> None:
    region = run.plan.regions["north"]
    north(run, tenants={**region.tenants, "edu": tenant(region, "edu")})


def drop_tenant(run: Run) -> None:
    region = run.plan.regions["north"]
    hub = replace(region.network.routers[0], routes=region.network.routers[0].routes[:-2])
    north(
        run,
        tenants={code: each for code, each in region.tenants.items() if code != "portal"},
        network=replace(region.network, routers=(hub,)),
        demand=replace(region.demand, projects=0),
    )


def change_external_network(run: Run) -> None:
    north(run, external_network="other")


def change_figure(run: Run) -> None:
    run.plan = replace(run.plan, figures={**run.plan.figures, "encrypted_volumes": 1})


def change_endpoint(run: Run) -> None:
    run.clouds = {name: replace(cloud, auth_url="https://other.example") for name, cloud in run.clouds.items()}


def change_authority(run: Run) -> None:
    run.clouds = {name: replace(cloud, ca="another") for name, cloud in run.clouds.items()}


def change_secret(run: Run) -> None:
    user = run.plan.regions["north"].tenants["edu"].identity.machine_users[0]
    (run.stacks.home.root / "secrets" / password_name("north", user.name)).write_text("another")


def change_key(run: Run) -> None:
    run.stacks.home.user_ca.unlink()


def change_ids(run: Run) -> None:
    fakes(run).ids = {"network": [{"network": {"hub": "n2"}}]}


def save_state(run: Run) -> None:
    fakes(run).saved["lab.north.access"] = 1


def lose_state(run: Run) -> None:
    fakes(run).stands.discard("lab.north.network")


def lose_note(run: Run) -> None:
    run.stacks.home.note("lab.north.network").unlink()


def cut_note_off(run: Run) -> None:
    run.stacks.home.note("lab.north.network").write_text('{"digest": "')


def forge_note(run: Run) -> None:
    run.stacks.home.note("lab.north.network").write_text("[1]")


@pytest.mark.parametrize(
    ("change", "layers"),
    [
        (change_tenant, ["tenant-edu"]),
        (drop_tenant, ["network"]),
        (change_external_network, LAYERS),
        (change_figure, LAYERS),
        (change_endpoint, LAYERS),
        (change_authority, LAYERS),
        (change_secret, ["tenant-edu"]),
        (change_key, LAYERS),
        (change_ids, ["access", "tenant-edu", "tenant-health", "tenant-portal"]),
        (save_state, ["access"]),
        (lose_state, ["network"]),
        (lose_note, ["network"]),
        (cut_note_off, ["network"]),
        (forge_note, ["network"]),
    ],
)
def test_a_stack_is_looked_at_when_anything_that_decides_about_it_has_changed(
    settled: Run, change: Callable[[Run], None], layers: list[str]
) -> None:
    change(settled)
    assert looked_at(settled) == layers


def test_other_programs_or_pins_mean_that_all_is_looked_at(settled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "of_code", lambda: "another")
    assert looked_at(settled) == LAYERS


@pytest.mark.parametrize(
    "file", ["stacks/network.py", "components/network.py", "policy/rules.py", "policy/controls.yaml", "tools/pins.toml", "requirements.txt"]
)
def test_every_program_and_pin_is_in_the_digest(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in fingerprint.CODE:
        source, target = CHECKOUT / name, tmp_path / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    monkeypatch.setattr(fingerprint, "CHECKOUT", tmp_path)
    before = fingerprint.of_code.__wrapped__()
    assert fingerprint.of_code.__wrapped__() == before
    with (tmp_path / file).open("a") as stream:
        stream.write("\n")
    assert fingerprint.of_code.__wrapped__() != before


def leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """A copy of plain data for each field of each kind of data in it, with that field changed; and the field's name."""
    done: set[str] = set()

    def inside(value: Any) -> Iterator[tuple[str, Any]]:
        if is_dataclass(value) and not isinstance(value, type):
            for each in fields(value):
                for name, changed in inside(getattr(value, each.name)):
                    yield name or f"{type(value).__name__}.{each.name}", replace(value, **{each.name: changed})
        elif isinstance(value, tuple) and value:
            for name, changed in inside(value[0]):
                yield name, (changed, *value[1:])
        elif isinstance(value, dict) and value:
            first = next(iter(value))
            for name, changed in inside(value[first]):
                yield name, {**value, first: changed}
        else:
            yield "", "changed"

    for name, changed in inside(value):
        if name not in done:
            done.add(name)
            yield name, changed


@pytest.mark.parametrize("layer", [*LAYERS, "probes"])
def test_every_field_of_a_share_is_in_the_digest(layer: str) -> None:
    inputs = Inputs(Endpoint("https://cloud.example", "CA"), lambda name: f"secret {name}", "key")
    part = share(plan(), "north", layer)
    known = fingerprint.of(part, inputs, {})
    changed = dict(leaves(part))
    assert len(changed) > 20
    assert [name for name, other in changed.items() if _digest(other, inputs) == known] == []


def _digest(part: Any, inputs: Inputs) -> str:
    try:
        return fingerprint.of(part, inputs, {})
    except (AttributeError, TypeError):  # the change made another thing of what is read on the way
        return "cannot be told"


def test_an_up_that_ended_well_is_right_until_something_changes(run: Run) -> None:
    fakes(run).changed = set(LAYERS)
    run.apply(run.previews(run.planned(NORTH)))
    assert looked_at(run) == []


def test_a_failed_up_leaves_no_note(settled: Run) -> None:
    change_tenant(settled)
    fakes(settled).changed, fakes(settled).broken = {"tenant-edu"}, {"tenant-edu"}
    with pytest.raises(LzError):
        settled.apply(settled.previews(settled.planned(NORTH)))
    settled.plan = plan()  # put back, what is settled again would be wrong
    fakes(settled).saved.clear()
    assert looked_at(settled) == ["tenant-edu"]


def test_a_killed_up_leaves_no_note(settled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    change_tenant(settled)
    fakes(settled).changed = {"tenant-edu"}
    previews = settled.previews(settled.planned(NORTH))
    monkeypatch.setattr(runs, "_up", killed)
    with pytest.raises(KeyboardInterrupt):
        settled.apply(previews)
    settled.plan = plan()
    assert looked_at(settled) == ["tenant-edu"]


def test_a_preview_with_changes_leaves_the_note_as_it_was_and_it_does_not_agree(settled: Run) -> None:
    change_tenant(settled)
    fakes(settled).changed = {"tenant-edu"}
    assert looked_at(settled) == ["tenant-edu"]
    assert looked_at(settled) == ["tenant-edu"]


def test_what_was_removed_is_looked_at(settled: Run) -> None:
    key = StackKey("lab", "north", "tenant-edu")
    settled.remove([key])
    assert fingerprint.read(settled.stacks.home, key.name) is None
    assert looked_at(settled) == ["tenant-edu"]


def test_notes_tell_no_secret(settled: Run) -> None:
    home = settled.stacks.home
    secrets = [path.read_text() for path in (home.root / "secrets").iterdir()]
    assert secrets
    for path in (home.root / "settled").iterdir():
        assert not [secret for secret in secrets if secret in path.read_text()]

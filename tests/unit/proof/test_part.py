"""What `lz verify` tries out when only a part of an environment is asked for."""

from __future__ import annotations

from dataclasses import replace

from landing_zone.engine.runs import Selection
from landing_zone.planners.plan import ProbesLayer
from landing_zone.proof.results import Verdict, worst
from landing_zone.proof.verify import concerned, untried
from tests.unit.planners.support import planned

NORTH = planned("lab").regions["north"]


def test_everything_when_nothing_is_named() -> None:
    assert concerned(NORTH, Selection()) == list(NORTH.probes.checks)


def test_a_tenant_has_the_checks_of_which_it_is_one_end() -> None:
    found = concerned(NORTH, Selection(tenants=frozenset({"edu"})))
    assert found == [check for check in NORTH.probes.checks if "-edu-" in check.source + check.target]
    assert 0 < len(found) < len(NORTH.probes.checks)


def test_a_layer_has_the_checks_of_what_stands_in_it() -> None:
    found = concerned(NORTH, Selection(layers=frozenset({"access"})))
    assert found == [check for check in NORTH.probes.checks if NORTH.access.bastion.name in (check.source, check.target)] != []
    assert concerned(NORTH, Selection(layers=frozenset({"identity"}))) == []


def test_without_probes_nothing_is_known_of_what_passes_between_zones() -> None:
    without = replace(NORTH, probes=ProbesLayer((), ()))
    (result,) = untried(without, Selection())
    assert (result.control, result.region, result.verdict) == ("NET-02", "north", Verdict.UNKNOWN)
    assert worst([result]) is Verdict.UNKNOWN
    assert len(list(untried(without, Selection(tenants=frozenset({"edu"}))))) == 1
    assert list(untried(without, Selection(layers=frozenset({"access"})))) == []
    assert list(untried(NORTH, Selection())) == []

"""What `lz verify` tries out when only a part of an environment is asked for."""

from __future__ import annotations

from landing_zone.engine.runs import Selection
from landing_zone.proof.verify import concerned
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

"""The address plan: inside the supernets, nothing overlaps, the same every time, and nobody moves."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from landing_zone.model import rules
from landing_zone.model.environment import Addressing, Environment, Region
from landing_zone.model.slots import slot_range
from landing_zone.planners import plan
from landing_zone.planners.addresses import Pair, RegionAddresses, plan_region
from landing_zone.planners.build import checked_ledger
from landing_zone.planners.ledger import Ledger, LedgerError, Run
from tests.unit.model import support
from tests.unit.planners.support import layers, regions, with_tenants

CODES = [f"a{number}" for number in range(10)]
ZONES = st.sets(st.sampled_from(["edge", "application", "data"]), min_size=1).map(sorted)
TENANT = st.fixed_dictionaries({"size": st.sampled_from([1, 1, 2, 4]), "zones": ZONES})
TENANTS = st.dictionaries(st.sampled_from(CODES), TENANT, max_size=10)


def addresses_of(environment: Environment, ledger: Ledger | None = None) -> dict[str, RegionAddresses]:
    kept = checked_ledger(environment, ledger or Ledger())
    return {region.name: plan_region(environment, region, kept) for region in environment.regions}


def pieces(found: RegionAddresses) -> list[Pair]:
    """Everything that must not overlap: platform zones, transit, tenants' zones."""
    return [*found.platform.zones.values(), found.transit, *(pair for block in found.tenants.values() for pair in block.zones.values())]


@st.composite
def cuts(draw: st.DrawFn) -> dict[str, Any]:
    """Supernets of one region and sizes of what is cut out of them: each within what it is cut from, the numbers of slots as they come."""
    v4, v6 = draw(st.integers(8, 20)), draw(st.integers(8, 58))
    platform, slot = draw(st.integers(v4 + 1, 22)), draw(st.integers(max(10, v4 + 1), 26))
    return {
        "supernets": {"ipv4": ip_network(f"10.0.0.0/{v4}"), "ipv6": ip_network(f"fd00::/{v6}")},
        "addressing": {
            "platform_ipv4": platform,
            "platform_zone_ipv4": draw(st.integers(min(platform + 4, 26), 26)),
            "tenant_ipv4": slot,
            "zone_ipv4": draw(st.integers(min(slot + 3, 29), 29)),
            "platform_ipv6": draw(st.integers(max(16, v6 + 1), 60)),
            "tenant_ipv6": draw(st.integers(max(16, v6 + 1), 60)),
        },
    }


def cut_anew(environment: Environment, cut: dict[str, Any]) -> Environment:
    """The environment with one region, and sizes and supernets as `cuts` draws them."""
    region = environment.regions[0]
    region = region.model_copy(update={"addresses": region.addresses.model_copy(update=cut["supernets"])})
    return environment.model_copy(update={"regions": (region,), "addressing": environment.addressing.model_copy(update=cut["addressing"])})


@settings(max_examples=100)
@given(tenants=st.just({}) | TENANTS, cut=st.none() | cuts())
def test_inside_the_supernet_and_apart_whatever_the_sizes_that_no_rule_refuses(tenants: dict[str, Any], cut: dict[str, Any] | None) -> None:
    environment = with_tenants("lab", tenants)
    environment = cut_anew(environment, cut) if cut else environment
    assume(not any(finding for rule in rules.addresses.RULES for finding in rule(environment)))
    slots = slot_range(environment)
    assert len(slots) > 0
    assert slots.stop < 2**24, "the ledger has a byte for each"
    try:
        planned = addresses_of(environment)
    except LedgerError as error:
        assume("no run of" not in str(error))  # sizes that lie badly beside each other: so many slots, and none of them in a row
        raise
    for found in planned.values():
        for family in ("v4", "v6"):
            nets = sorted((getattr(pair, family) for pair in pieces(found)), key=lambda net: int(net.network_address))
            assert all(net.subnet_of(getattr(found.supernet, family)) for net in nets)
            assert all(one.broadcast_address < other.network_address for one, other in pairwise(nets))
            for block in found.tenants.values():
                assert all(getattr(pair, family).subnet_of(getattr(block.whole, family)) for pair in block.zones.values())


@settings(max_examples=60)
@given(first=TENANTS, then=TENANTS)
def test_deterministic_and_stable_when_tenants_come_and_go(first: dict[str, Any], then: dict[str, Any]) -> None:
    for code, tenant in then.items():
        tenant["size"] = first[code]["size"] if code in first else tenant["size"]
    before = with_tenants("lab", first)
    ledger = checked_ledger(before, Ledger())
    assert addresses_of(before) == addresses_of(before)
    old, new = addresses_of(before, ledger), addresses_of(with_tenants("lab", then), ledger)
    for region, found in new.items():
        assert found.platform == old[region].platform
        for code in set(first) & set(then):
            assert found.tenants[code].whole == old[region].tenants[code].whole
            for zone in set(first[code]["zones"]) & set(then[code]["zones"]):
                assert found.tenants[code].zones[zone] == old[region].tenants[code].zones[zone]
        for family in ("v4", "v6"):
            newcomers = [getattr(found.tenants[code].whole, family) for code in set(then) - set(first)]
            given = [getattr(block.whole, family) for block in old[region].tenants.values()]
            assert not any(net.overlaps(other) for net in newcomers for other in given)


def test_the_platform_never_moves_with_the_size_of_the_supernet() -> None:
    environment = support.environment("lab")
    wider = _with_supernet(environment, "10.64.0.0/15")
    assert addresses_of(environment)["north"].tenants == addresses_of(wider)["north"].tenants


def test_a_larger_tenant_gets_larger_zones() -> None:
    found = addresses_of(with_tenants("lab", {"a": {"size": 1}, "b": {"size": 4}}))["north"]
    assert found.tenants["a"].zones["data"].v4.prefixlen == 25
    assert found.tenants["b"].zones["data"].v4.prefixlen == 23
    assert found.tenants["b"].zones["data"].v6.prefixlen == 64
    assert (found.tenants["b"].whole.v4.prefixlen, found.tenants["b"].whole.v6.prefixlen) == (20, 54)


def test_slots_end_with_the_smallest_supernet_and_the_transit_network() -> None:
    lab = support.environment("lab")
    assert slot_range(lab) == range(4, 64)
    assert slot_range(_with_supernet(lab, "10.64.0.0/18")) == range(4, 16)
    assert slot_range(_with_supernet(lab, "10.64.0.0/22")) == range(4, 4)
    wide = support.environment("national-cgc")
    small_platform = wide.model_copy(update={"addressing": wide.addressing.model_copy(update={"platform_ipv4": 22})})
    assert slot_range(wide) == range(4, 512)
    assert slot_range(small_platform) == range(1, 511 - 16)


def test_a_change_of_the_plan_is_refused_once_addresses_are_given() -> None:
    lab = support.environment("lab")
    ledger = plan(lab).ledger
    moved = lab.model_copy(update={"addressing": lab.addressing.model_copy(update={"tenant_ipv4": 23, "zone_ipv4": 26})})
    for changed, words in ((moved, "key addressing"), (_with_supernet(lab, "10.72.0.0/16"), "key regions.addresses")):
        with pytest.raises(LedgerError) as caught:
            plan(changed, ledger)
        assert words in str(caught.value)
        assert "cure:" in str(caught.value)


@pytest.mark.parametrize(("key", "value"), list(Addressing().model_dump().items()))
def test_every_size_and_the_beginning_of_each_supernet_is_kept(key: str, value: int) -> None:
    lab = support.environment("lab")
    ledger = plan(lab).ledger
    sizes = lab.addressing.model_copy(update={key: value - 1})
    with pytest.raises(LedgerError, match="key addressing"):
        checked_ledger(lab.model_copy(update={"addressing": sizes}), ledger)
    region = lab.regions[0]
    moved = region.addresses.model_copy(update={"ipv6": ip_network("fd64:6c7a:9::/48")})
    with pytest.raises(LedgerError, match="region north"):
        checked_ledger(lab.model_copy(update={"regions": (region.model_copy(update={"addresses": moved}), lab.regions[1])}), ledger)


def test_a_region_that_is_gone_comes_back_where_it_was_or_not_at_all() -> None:
    lab = support.environment("lab")
    alone = checked_ledger(lab.model_copy(update={"regions": lab.regions[:1]}), plan(lab).ledger)
    south = lab.regions[1]
    other = south.model_copy(update={"addresses": south.addresses.model_copy(update={"ipv4": ip_network("10.72.0.0/16")})})
    with pytest.raises(LedgerError, match="region south"):
        checked_ledger(lab.model_copy(update={"regions": (lab.regions[0], other)}), alone)
    assert checked_ledger(lab, alone) == plan(lab).ledger


def test_a_supernet_may_end_right_behind_the_last_slot_and_a_retired_tenant_that_comes_back_needs_its_own() -> None:
    """Slots 0 to 7 are a /19 of slots of /22."""
    lab = support.environment("lab")
    for retired in (False, True):
        for start, refused in ((7, False), (8, True)):
            runs = {tenant.code: Run(start - place, 1) for place, tenant in enumerate(lab.tenants)}
            ledger = Ledger(retired=runs) if retired else Ledger(slots=runs)
            smaller = _with_supernet(lab, "10.64.0.0/19")
            if refused:
                with pytest.raises(LedgerError, match="which tenant edu has"):
                    checked_ledger(smaller, ledger)
            else:
                assert checked_ledger(smaller, ledger).slots == runs


def test_a_region_may_be_added_later() -> None:
    lab = support.environment("lab")
    one = lab.model_copy(update={"regions": lab.regions[:1]})
    later = plan(lab, plan(one).ledger)
    assert later.regions["north"] == plan(one).regions["north"]


@pytest.mark.parametrize(
    ("family", "prefix", "cure"),
    [
        ("ipv4", "10.65.0.0/20", "give region south an IPv4 prefix of /19 or shorter"),
        ("ipv6", "fd64:6c7a:2::/54", "give region south an IPv6 prefix of /53 or shorter"),
    ],
)
def test_a_region_that_is_too_small_for_slots_that_were_given_out_is_named(family: str, prefix: str, cure: str) -> None:
    lab = support.environment("lab")
    one = lab.model_copy(update={"regions": lab.regions[:1]})
    small = lab.regions[1].addresses.model_copy(update={family: ip_network(prefix)})
    later = lab.model_copy(update={"regions": (lab.regions[0], lab.regions[1].model_copy(update={"addresses": small}))})
    with pytest.raises(LedgerError) as caught:
        plan(later, plan(one).ledger)
    (problem,) = caught.value.problems
    assert problem.where == f"key regions[1].addresses.{family}, value {prefix}"
    assert "slot 6, which tenant portal has" in problem.why
    assert problem.cure == cure


def test_subnets_of_the_plan_are_those_of_the_address_plan_and_never_overlap() -> None:
    for name, region in regions():
        found = addresses_of(support.environment(name))[region.name]
        cut = {str(net) for pair in pieces(found) for net in (pair.v4, pair.v6)}
        planned = [subnet.cidr for layer in layers(region) for network in layer.networks for subnet in network.subnets]
        assert len(planned) == len(set(planned))
        assert set(planned) == cut


def test_gateways_pools_and_fixed_addresses_do_not_meet() -> None:
    for _, region in regions():
        fixed = {instance.addresses for instance in (region.access.bastion, *region.probes.instances)}
        taken = [address for pairs in fixed for _, address in pairs]
        assert len(taken) == len(set(taken))
        for layer in layers(region):
            for subnet in (subnet for network in layer.networks for subnet in network.subnets):
                net = ip_network(subnet.cidr)
                pool = subnet.pools[0]
                lowest, highest = (int(ip_network(address).network_address) for address in (pool.first, pool.last))
                assert int(net.network_address) < lowest <= highest < int(net.broadcast_address)
                for address in [subnet.gateway, *taken]:
                    if address and ip_network(address).version == net.version and ip_network(address).subnet_of(net):  # type: ignore[arg-type]
                        assert not lowest <= int(ip_network(address).network_address) <= highest


def _with_supernet(environment: Environment, ipv4: str) -> Environment:
    region: Region = environment.regions[0]
    net = region.addresses.model_copy(update={"ipv4": ip_network(ipv4)})
    return environment.model_copy(update={"regions": (region.model_copy(update={"addresses": net}), *environment.regions[1:])})

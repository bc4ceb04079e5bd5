"""Network components: port security stays on, default rules go, names and addresses are the given ones."""

from __future__ import annotations

from typing import Any

from pulumi.runtime.mocks import MockResourceArgs

from components.network import (
    AddressArgs,
    AddressScope,
    AddressScopeArgs,
    DnsZoneArgs,
    LegArgs,
    Network,
    NetworkArgs,
    Router,
    RouterArgs,
    RuleArgs,
    SecurityGroup,
    SecurityGroupArgs,
    SubnetArgs,
    SubnetPoolArgs,
    dns_zone,
)
from tests.support.pulumi_recorder import Recorder, run

V4 = SubnetArgs("app-v4", "10.1.0.0/24", 4, "10.1.0.1", pools=(("10.1.0.100", "10.1.0.199"),), dns_servers=("10.0.0.2",))
V6 = SubnetArgs("app-v6", "fd00:1::/64", 6, "fd00:1::1", pools=(), ipv6_mode="dhcpv6-stateful", subnet_pool_id="pool6")


def network() -> Recorder:
    return run(lambda: Network(NetworkArgs("app", "applications", "p1", (V4, V6), shared_with=(("audit", "p2"),), tags=("zone:app",))))


def test_network_has_port_security_and_both_families() -> None:
    made = network()
    assert made.one("networking/network").inputs == {
        "name": "app",
        "description": "applications",
        "tenantId": "p1",
        "adminStateUp": True,
        "portSecurityEnabled": True,
        "tags": ["zone:app"],
    }
    four = made.one("networking/subnet:", "app-v4").inputs
    assert (four["cidr"], four["gatewayIp"], four["ipVersion"], four["enableDhcp"]) == ("10.1.0.0/24", "10.1.0.1", 4, True)
    assert four["allocationPools"] == [{"start": "10.1.0.100", "end": "10.1.0.199"}]
    assert "ipv6AddressMode" not in four
    six = made.one("networking/subnet:", "app-v6").inputs
    assert (six["ipv6AddressMode"], six["ipv6RaMode"], six["subnetpoolId"]) == ("dhcpv6-stateful", "dhcpv6-stateful", "pool6")
    assert six["networkId"] == "id-of-app"


def test_network_is_shared_with_named_projects_only() -> None:
    policy = network().one("networking/rbacPolicy").inputs
    assert policy == {"action": "access_as_shared", "objectType": "network", "objectId": "id-of-app", "targetTenant": "p2"}


def test_subnet_without_gateway_says_so() -> None:
    lonely = SubnetArgs("lonely", "10.2.0.0/24", 4, None, pools=())
    subnet = run(lambda: Network(NetworkArgs("n", "", "p1", (lonely,)))).one("networking/subnet:").inputs
    assert subnet["noGateway"] is True
    assert "gatewayIp" not in subnet


def router(external: str | None) -> Recorder:
    leg = LegArgs("hub--app", "n1", (AddressArgs("s4", "10.1.0.1"), AddressArgs("s6", "fd00:1::1")))
    args = RouterArgs("hub", "hub", "p1", (leg,), routes=(("10.9.0.0/16", "10.1.0.9"),), external_network_id=external, snat=False)
    return run(lambda: Router(args))


class LegsToCome(Recorder):
    """As in a preview: what is yet to be made has no id."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        identity, outputs = super().new_resource(args)
        return (None if "routerInterface" in args.typ else identity), outputs


def test_a_leg_that_is_to_come_does_not_make_the_routes_look_as_if_they_were_replaced() -> None:
    """They come after all legs; but a router that is known later would be another one to the provider, and `lz plan` would say so."""
    leg = LegArgs("hub-new", "n1", (AddressArgs("s4", "10.1.0.1"),))

    def program() -> None:
        Router(RouterArgs("hub", "hub", "p1", (leg,), routes=(("10.9.0.0/16", "10.1.0.9"),)))

    made = run(program, preview=True, recorder=LegsToCome())
    assert made.one("routerRoutesV2").inputs["routerId"] == "id-of-hub"


def test_router_leg_is_an_explicit_port_with_both_addresses() -> None:
    made = router(None)
    port = made.one("networking/port:").inputs
    assert (port["name"], port["noSecurityGroups"]) == ("hub--app", True)
    assert port["fixedIps"] == [{"subnetId": "s4", "ipAddress": "10.1.0.1"}, {"subnetId": "s6", "ipAddress": "fd00:1::1"}]
    assert made.one("networking/routerInterface").inputs == {"routerId": "id-of-hub", "portId": "id-of-hub--app"}
    assert made.one("networking/routerRoutes").inputs["routes"] == [{"destinationCidr": "10.9.0.0/16", "nextHop": "10.1.0.9"}]


def test_router_translates_addresses_only_with_a_gateway_and_when_told() -> None:
    assert "enableSnat" not in router(None).one("networking/router:").inputs
    outside = router("ext").one("networking/router:").inputs
    assert (outside["externalNetworkId"], outside["enableSnat"]) == ("ext", False)


def test_security_group_starts_empty_and_has_only_the_given_rules() -> None:
    rule = RuleArgs("https-in", "ingress", "IPv4", "tcp", 443, 444, "10.1.0.0/24", "edge to application")
    made = run(lambda: SecurityGroup(SecurityGroupArgs("app", "applications", "p1", (rule,), shared_with=(("probe", "p2"),))))
    assert made.one("networking/secGroup:").inputs["deleteDefaultRules"] is True
    assert made.one("networking/secGroupRule").inputs == {
        "securityGroupId": "id-of-app",
        "tenantId": "p1",
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "portRangeMin": 443,
        "portRangeMax": 444,
        "remoteIpPrefix": "10.1.0.0/24",
        "description": "edge to application",
    }
    assert made.one("networking/rbacPolicy").inputs["objectType"] == "security_group"


def test_address_scope_holds_its_pools() -> None:
    pool = SubnetPoolArgs("v4", "p1", 4, ("10.0.0.0/8",), 20, 28, 24)
    made = run(lambda: AddressScope(AddressScopeArgs("all-v4", "p1", 4, (pool,))))
    inputs = made.one("networking/subnetPool").inputs
    assert (inputs["addressScopeId"], inputs["ipVersion"], inputs["prefixes"]) == ("id-of-all-v4", 4, ["10.0.0.0/8"])
    assert (inputs["minPrefixlen"], inputs["defaultPrefixlen"], inputs["maxPrefixlen"]) == (20, 24, 28)


def test_dns_zone_belongs_to_its_project() -> None:
    made = run(lambda: dns_zone(DnsZoneArgs("moha.example.", "p1", "dns@moha.example", 300, "names")))
    zone = made.one("dns/zone").inputs
    assert (zone["name"], zone["projectId"], zone["ttl"]) == ("moha.example.", "p1", 300)

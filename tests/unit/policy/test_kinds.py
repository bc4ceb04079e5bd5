"""Every kind of resource that the provider has is guarded, or it is said here why it need not be: a new one cannot slip in unseen."""

from __future__ import annotations

import json

from policy.rules import GUARDS
from tools import tokens

EVERYTHING = "openstack:"  # what looks at every kind: where it lies, and secrets
# why a kind needs no guard of its own: the kinds
UNGUARDED: dict[str, str] = {
    "says how much, or how fast": """
        blockstorage/quoteSetV3 compute/quotaSetV2 dns/quotaV2 identity/limitV3 identity/registeredLimitV3 loadbalancer/quota
        networking/quotaV2 networking/qosBandwidthLimitRule networking/qosDscpMarkingRule networking/qosMinimumBandwidthRule
        objectstorage/accountV1
    """,
    "the catalogue of the cloud's operator, in which no tenant can write": """
        blockstorage/qosAssociationV3 blockstorage/qosV3 blockstorage/volumeTypeV3 compute/aggregateV2 compute/flavor
        identity/endpointV3 identity/role identity/serviceV3 loadbalancer/flavorV2 loadbalancer/flavorprofileV2
        networking/bgpPeerV2 networking/bgpSpeakerV2 networking/segmentV2
    """,
    "joins things that are guarded themselves, each named": """
        bgpvpn/networkAssociateV2 bgpvpn/portAssociateV2 bgpvpn/routerAssociateV2 blockstorage/volumeAttach compute/volumeAttach
        networking/routerInterface networking/trunk sharedfilesystem/shareNetwork
    """,
    "opens something for one project, which it names": """
        blockstorage/volumeTypeAccessV3 compute/flavorAccess dns/transferAccept dns/zoneShareV2 images/imageAccess
        images/imageAccessAccept
    """,
    "who somebody is; what they may do is said by guarded roles, and a password is looked at everywhere": """
        database/user identity/groupV3 identity/user identity/userMembershipV3 sharedfilesystem/securityService
    """,
    "says where packets go; which of them may is said by guarded security groups": """
        networking/routerRoute networking/routerRoutesV2 networking/subnetRoute vpnaas/endpointGroup vpnaas/ikePolicy
        vpnaas/ipSecPolicy vpnaas/service vpnaas/siteConnection
    """,
    "a load balancer is reached where its address is; one for the outside is guarded": """
        loadbalancer/l7PolicyV2 loadbalancer/l7RuleV2 loadbalancer/listener loadbalancer/loadBalancer loadbalancer/member
        loadbalancer/members loadbalancer/monitor loadbalancer/pool
    """,
    "says how, and holds nothing": "compute/serverGroup database/configuration dns/recordSet dns/zone",
    "is a key, or refers to some; it is a secret of the provider itself": """
        compute/keypair keymanager/containerV1 keymanager/orderV1 objectstorage/tempUrl
    """,
}


def test_every_kind_has_a_guard_or_a_reason_to_have_none() -> None:
    kinds = {token.split(":")[1] for token in json.loads(tokens.committed().read_text())["resources"].values()}
    parts = {part for guard in GUARDS for part in guard.types if part != EVERYTHING}
    guarded = {kind for kind in kinds if any(part in f"openstack:{kind}:" for part in parts)}
    named = [kind for kinds_of_reason in UNGUARDED.values() for kind in kinds_of_reason.split()]
    assert sorted(named) == sorted(kinds - guarded)


def test_every_guard_looks_at_a_kind_that_there_is() -> None:
    there = ["pulumi:providers:openstack", *json.loads(tokens.committed().read_text())["resources"].values()]
    assert [part for guard in GUARDS for part in guard.types if not any(part in token for token in there)] == []

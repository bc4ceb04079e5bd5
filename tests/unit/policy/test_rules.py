"""Each guard rail: a resource that breaks it is named with its control and a cure, one that keeps it passes."""

from __future__ import annotations

from typing import Any

import pytest

from policy.rules import GUARDS, SECRET, UNKNOWN, Facts, check

WORLD = {"direction": "ingress", "remoteIpPrefix": "0.0.0.0/0"}
FACTS = Facts(True, frozenset({"north"}), frozenset({"unit-edge"}), frozenset({"hub--transit"}), frozenset({"unit-bastion"}))
RULE = "openstack:networking/secGroupRule:SecGroupRule"
PORT = "openstack:networking/port:Port"
CREDENTIAL = "openstack:identity/applicationCredential:ApplicationCredential"
TAGS = ["lz-environment=unit", "lz-level=1", "lz-owner=edu"]
GOOD_PORT = {"name": "x", "portSecurityEnabled": True, "securityGroupIds": ["g"], "tags": TAGS}

# type, name, properties that break the rule, properties that keep it, control, part of what is said
CASES: list[tuple[str, str, dict[str, Any], dict[str, Any], str, str]] = [
    (
        RULE,
        "app.in",
        {"direction": "ingress", "remoteIpPrefix": "0.0.0.0/0"},
        {"direction": "ingress", "remoteIpPrefix": "10.0.0.0/8"},
        "NET-02",
        "0.0.0.0/0",
    ),
    (
        RULE,
        "app.in",
        {"direction": "ingress", "remoteIpPrefix": "::/0"},
        {"direction": "egress", "remoteIpPrefix": "::/0"},
        "NET-02",
        "::/0",
    ),
    (
        RULE,
        "app.in",
        {"direction": "ingress", "remoteIpPrefix": "128.0.0.0/1"},
        {"direction": "ingress", "remoteIpPrefix": "10.0.0.0/8"},
        "NET-02",
        "128.0.0.0/1",
    ),
    (
        RULE,
        "app.in",
        {"direction": "ingress", "remoteIpPrefix": "2000::/3"},
        {"direction": "ingress", "remoteIpPrefix": "fd00::/8"},
        "NET-02",
        "2000::/3",
    ),
    (RULE, "app.in", {"direction": "ingress"}, {"direction": "ingress", "remoteGroupId": "g"}, "NET-02", "everybody"),
    ("openstack:networking/secGroup:SecGroup", "x", {"name": "x"}, {"name": "x", "deleteDefaultRules": True}, "NET-02", "default rules"),
    (PORT, "x", {**GOOD_PORT, "portSecurityEnabled": False}, GOOD_PORT, "NET-02", "port security"),
    (PORT, "x", {**GOOD_PORT, "securityGroupIds": []}, GOOD_PORT, "NET-02", "no security group"),
    (PORT, "x", {"name": "x", "noSecurityGroups": True}, GOOD_PORT, "NET-02", "no security group"),
    ("openstack:networking/network:Network", "x", {"name": "x"}, {"name": "x", "portSecurityEnabled": True}, "NET-02", "port security"),
    (
        "openstack:networking/network:Network",
        "x",
        {"name": "x", "portSecurityEnabled": True, "shared": True},
        {"name": "x", "portSecurityEnabled": True},
        "NET-02",
        "every project",
    ),
    ("openstack:networking/rbacPolicyV2:RbacPolicyV2", "x", {"targetTenant": "*"}, {"targetTenant": "p1"}, "NET-04", "every project"),
    (
        "openstack:compute/instance:Instance",
        "x",
        {"name": "x", "networks": [{"uuid": "n"}]},
        {"name": "x", "networks": [{"port": "p"}]},
        "NET-02",
        "network instead of a port",
    ),
    ("openstack:compute/instance:Instance", "x", {"name": "x"}, {"name": "x", "networks": UNKNOWN}, "NET-02", "network instead of a port"),
    ("openstack:networking/floatingIp:FloatingIp", "app", {}, {}, "NET-07", "not planned"),
    ("openstack:identity/roleAssignment:RoleAssignment", "x", {"userId": "u"}, {"groupId": "g"}, "IAM-02", "one account"),
    ("openstack:identity/inheritRoleAssignment:InheritRoleAssignment", "x", {"userId": "u"}, {"groupId": "g"}, "IAM-02", "one account"),
    ("openstack:identity/project:Project", "x", {"tags": TAGS[:2]}, {"tags": TAGS}, "IAM-01", "lz-owner"),
    (
        CREDENTIAL,
        "x",
        {"unrestricted": True, "expiresAt": "t", "accessRules": ["r"]},
        {"expiresAt": "t", "accessRules": ["r"]},
        "IAM-05",
        "unrestricted",
    ),
    (CREDENTIAL, "x", {"accessRules": ["r"]}, {"expiresAt": "t", "accessRules": ["r"]}, "IAM-05", "never ends"),
    (CREDENTIAL, "x", {"expiresAt": "t"}, {"expiresAt": "t", "accessRules": ["r"]}, "IAM-05", "call everything"),
    ("openstack:networking/router:Router", "x", {"name": "x", "region": "west"}, {"name": "x", "region": "north"}, "STO-01", "west"),
    (
        "openstack:blockstorage/volume:Volume",
        "x",
        {"name": "x", "volumeType": "fast"},
        {"name": "x", "volumeType": "fast-encrypted"},
        "STO-04",
        "not encrypted",
    ),
    (
        "openstack:objectstorage/container:Container",
        "x",
        {"containerRead": ".r:*,.rlistings"},
        {"containerRead": ".r:*", "metadata": {"classification": "open-data"}},
        "STO-05",
        "everybody",
    ),
    *(
        ("openstack:objectstorage/container:Container", "x", {"containerRead": read}, {"containerRead": "p1:*"}, "STO-05", "everybody")
        for read in (".ref:*", ".referer:*", "p1:*, .referrer: *", ".r:.example.com", "p1:*,.r:www.example.com, .rlistings", ".r:-*,.r:*")
    ),
    (
        "openstack:objectstorage/container:Container",
        "x",
        {"containerRead": ".r: .example.com"},
        {"containerRead": ".r:-.example.com,.rlistings"},
        "STO-05",
        "everybody",
    ),
    (
        "openstack:objectstorage/container:Container",
        "x",
        {"containerWrite": "p1:*, *:*"},
        {"containerWrite": "p1:*"},
        "STO-05",
        "every account",
    ),
    ("openstack:blockstorage/volume:Volume", "x", {"name": "x"}, {"name": "x", "protect": True}, "BCK-01", "not protected"),
    ("openstack:objectstorage/container:Container", "x", {"protect": False}, {"protect": True}, "BCK-01", "not protected"),
    ("openstack:images/image:Image", "x", {"visibility": "public"}, {"visibility": "private"}, "CMP-01", "public"),
    ("openstack:identity/user:User", "x", {"password": "hunter2"}, {"password": SECRET}, "CRY-05", "`password` in clear"),
    ("pulumi:providers:openstack", "x", {"password": "hunter2"}, {"cloud": "c"}, "CRY-05", "`password` in clear"),
    ("openstack:keymanager/secretV1:SecretV1", "x", {"payload": "hunter2"}, {"payload": UNKNOWN}, "CRY-05", "`payload` in clear"),
    (
        "openstack:compute/keypair:Keypair",
        "x",
        {"notes": "-----BEGIN OPENSSH PRIVATE KEY-----"},
        {"publicKey": "ssh-ed25519"},
        "CRY-05",
        "key material",
    ),
    ("pulumi:providers:openstack", "x", {"region": "west"}, {"region": "north"}, "STO-01", "west"),
    (
        "openstack:compute/instance:Instance",
        "x",
        {"metadata": {"password": "hunter2"}},
        {"metadata": {"password": SECRET}},
        "CRY-05",
        "`password` in clear",
    ),
    ("openstack:networking/subnet:Subnet", "x", {"tags": TAGS}, {"name": UNKNOWN, "tags": TAGS}, "OPS-04", "no name"),
    ("openstack:networking/subnet:Subnet", "x", {"name": "mạng", "tags": TAGS}, {"name": "mang", "tags": TAGS}, "OPS-04", "outside ASCII"),
    ("openstack:networking/router:Router", "x", {"name": "x", "tags": TAGS[1:]}, {"name": "x", "tags": TAGS}, "OPS-04", "lz-environment"),
]


@pytest.mark.parametrize(("kind", "name", "bad", "good", "control", "said"), CASES, ids=[f"{case[4]}-{case[5]}" for case in CASES])
def test_rule(kind: str, name: str, bad: dict[str, Any], good: dict[str, Any], control: str, said: str) -> None:
    found = [violation for violation in check(kind, name, bad, FACTS) if violation.control == control]
    assert len(found) == 1
    assert said in found[0].rule
    assert found[0].resource == f"{kind.rsplit(':', 1)[-1]} {name}"
    assert found[0].cure
    kept = "unit-bastion" if control == "NET-07" else name
    assert [violation for violation in check(kind, kept, good, FACTS) if violation.control == control] == []


@pytest.mark.parametrize(
    "more", [{}, {"protocol": "tcp"}, {"protocol": "6", "portRangeMin": 22}, {"protocol": "tcp", "portRangeMin": 1, "portRangeMax": 1024}]
)
def test_nor_is_the_edge_open_to_the_world_for_administration(more: dict[str, Any]) -> None:
    found = check(RULE, "unit-edge.web", {**WORLD, **more}, FACTS)
    assert [(violation.control, violation.rule) for violation in found] == [("NET-02", "lets 0.0.0.0/0 in by SSH")]


def test_what_the_plan_allows_passes() -> None:
    assert check(RULE, "unit-edge.web", {**WORLD, "protocol": "tcp", "portRangeMin": 443, "portRangeMax": 443}, FACTS) == []
    assert check(RULE, "unit-edge.web", {**WORLD, "protocol": "udp", "portRangeMin": 1, "portRangeMax": 65535}, FACTS) == []
    assert check(RULE, "unit-edge.web", {**WORLD, "protocol": "tcp", "portRangeMin": UNKNOWN}, FACTS) == []
    assert check(PORT, "hub--transit", {"name": "hub--transit", "noSecurityGroups": True, "tags": TAGS}, FACTS) == []
    assert check(RULE, "app.in", {"direction": "ingress", "remoteIpPrefix": UNKNOWN}, FACTS) == []


@pytest.mark.parametrize("kind", ["unencrypted", "ssd-not-encrypted", "NonEncrypted"])
def test_a_volume_type_that_says_that_it_does_not_encrypt_is_none_that_does(kind: str) -> None:
    found = check("openstack:blockstorage/volume:Volume", "x", {"name": "x", "volumeType": kind, "protect": True}, FACTS)
    assert [violation.control for violation in found] == ["STO-04"]


def test_what_is_not_known_yet_passes_until_it_is() -> None:
    assert check("openstack:networking/subnet:Subnet", "x", {"name": "x", "tags": UNKNOWN}, FACTS) == []
    read = {"containerRead": ".r:*", "protect": True}
    assert check("openstack:objectstorage/container:Container", "x", {**read, "metadata": UNKNOWN}, FACTS) == []
    assert check("openstack:objectstorage/container:Container", "x", {**read, "metadata": {"classification": UNKNOWN}}, FACTS) == []


def test_every_rule_has_a_case_that_breaks_it() -> None:
    broken = {
        guard.rule
        for kind, name, bad, *_ in CASES
        for guard in GUARDS
        if any(part in kind for part in guard.types) and list(guard.rule(name, bad, FACTS))
    }
    assert {guard.rule.__name__ for guard in GUARDS} == {rule.__name__ for rule in broken}

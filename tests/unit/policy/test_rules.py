"""Each guard rail: a resource that breaks it is named with its control and a cure, one that keeps it passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.access import entry_by_certificate
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
    *(
        (RULE, "app.in", {"direction": "ingress", "remoteIpPrefix": bad}, {"direction": "ingress", "remoteIpPrefix": good}, "NET-02", bad)
        for bad, good in (("12.0.0.0/7", "12.0.0.0/8"), ("2400::/15", "2400::/16"))
    ),
    (RULE, "app.in", {"direction": "ingress"}, {"direction": "ingress", "remoteGroupId": "g"}, "NET-02", "everybody"),
    ("openstack:networking/secGroup:SecGroup", "x", {"name": "x"}, {"name": "x", "deleteDefaultRules": True}, "NET-02", "default rules"),
    (PORT, "x", {**GOOD_PORT, "portSecurityEnabled": False}, GOOD_PORT, "NET-02", "port security"),
    (PORT, "x", {**GOOD_PORT, "securityGroupIds": []}, GOOD_PORT, "NET-02", "no security group"),
    (PORT, "x", {"name": "x", "portSecurityEnabled": True, "tags": TAGS}, GOOD_PORT, "NET-02", "no security group"),
    (PORT, "x", {"name": "x", "noSecurityGroups": True}, GOOD_PORT, "NET-02", "no security group"),
    ("openstack:networking/network:Network", "x", {"name": "x"}, {"name": "x", "portSecurityEnabled": True}, "NET-02", "port security"),
    (
        "openstack:networking/network:Network",
        "x",
        {"name": "x", "portSecurityEnabled": True, "shared": True},
        {"name": "x", "portSecurityEnabled": True},
        "NET-04",
        "every project",
    ),
    *(
        (kind, "x", {"name": "x", mark: True}, {"name": "x", mark: False}, "NET-04", "every project")
        for kind, mark in (
            ("openstack:networking/subnetPool:SubnetPool", "shared"),
            ("openstack:networking/addressScope:AddressScope", "shared"),
            ("openstack:networking/qosPolicy:QosPolicy", "shared"),
            ("openstack:firewall/groupV2:GroupV2", "shared"),
            ("openstack:firewall/policyV2:PolicyV2", "shared"),
            ("openstack:firewall/ruleV2:RuleV2", "shared"),
            ("openstack:bgpvpn/v2:V2", "shared"),
            ("openstack:sharedfilesystem/share:Share", "isPublic"),
            ("openstack:containerinfra/clusterTemplate:ClusterTemplate", "public"),
        )
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
    ("openstack:networking/floatingIpAssociate:FloatingIpAssociate", "app", {"portId": "p"}, {"portId": "p"}, "NET-07", "not planned"),
    ("openstack:networking/portForwardingV2:PortForwardingV2", "app", {"internalPort": 80}, {"internalPort": 80}, "NET-07", "not planned"),
    (
        "openstack:networking/portSecGroupAssociate:PortSecGroupAssociate",
        "x",
        {"enforce": True, "securityGroupIds": []},
        {"enforce": True, "securityGroupIds": ["g"]},
        "NET-02",
        "no security group",
    ),
    (
        PORT,
        "x",
        {**GOOD_PORT, "allowedAddressPairs": [{"ipAddress": "10.0.0.9"}, {"ipAddress": "0.0.0.0/0"}]},
        {**GOOD_PORT, "allowedAddressPairs": [{"ipAddress": "10.0.0.9"}, {"ipAddress": UNKNOWN}]},
        "NET-02",
        "stands for 0.0.0.0/0",
    ),
    (
        "openstack:networking/addressGroupV2:AddressGroupV2",
        "x",
        {"addresses": ["10.0.0.0/24", "::/0"]},
        {"addresses": ["10.0.0.0/24"]},
        "NET-02",
        "stands for ::/0",
    ),
    (
        "openstack:sharedfilesystem/shareAccess:ShareAccess",
        "x",
        {"accessType": "ip", "accessTo": "0.0.0.0/0"},
        {"accessType": "ip", "accessTo": "10.0.0.0/24"},
        "NET-02",
        "stands for 0.0.0.0/0",
    ),
    *(
        (
            "openstack:firewall/ruleV2:RuleV2",
            name,
            {"action": "allow", "protocol": "tcp", **bad},
            {"action": "allow", "protocol": "tcp", "sourceIpAddress": "10.0.0.0/8"},
            "NET-02",
            said,
        )
        for name, bad, said in (
            ("app.web", {"sourceIpAddress": "0.0.0.0/0", "destinationPort": "443"}, "lets in 0.0.0.0/0"),
            ("app.web", {}, "lets in everybody"),
            ("unit-edge.web", {"destinationPort": "20:30"}, "by SSH"),
            ("unit-edge.web", {"protocol": "any"}, "by SSH"),
        )
    ),
    (
        "openstack:compute/interfaceAttach:InterfaceAttach",
        "x",
        {"networkId": "n"},
        {"portId": UNKNOWN},
        "NET-02",
        "network instead of a port",
    ),
    (
        "openstack:database/instance:Instance",
        "x",
        {"networks": [{"uuid": "n"}]},
        {"networks": [{"port": "p"}]},
        "NET-02",
        "network instead of a port",
    ),
    (
        "openstack:dns/transferRequest:TransferRequest",
        "x",
        {"zoneId": "z"},
        {"zoneId": "z", "targetProjectId": UNKNOWN},
        "NET-04",
        "whoever",
    ),
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
    (
        "openstack:database/instance:Instance",
        "x",
        {"volumeType": "fast"},
        {"volumeType": "fast-encrypted"},
        "STO-04",
        "not encrypted",
    ),
    ("openstack:blockstorage/volume:Volume", "x", {"name": "x"}, {"name": "x", "protect": True}, "BCK-01", "not protected"),
    *(
        (kind, "x", {}, {"protect": True}, "BCK-01", "not protected")
        for kind in (
            "openstack:database/instance:Instance",
            "openstack:database/database:Database",
            "openstack:objectstorage/containerObject:ContainerObject",
        )
    ),
    *(
        (
            "openstack:compute/instance:Instance",
            "x",
            {"blockDevices": [bad]},
            {"blockDevices": [{"sourceType": "volume", "uuid": "v"}, {"sourceType": "image", "destinationType": "local"}]},
            "BCK-01",
            "makes a volume",
        )
        for bad in (
            {"sourceType": "blank", "destinationType": "volume", "volumeSize": 1},
            {"sourceType": "image", "destinationType": "volume", "uuid": "i"},
            {"sourceType": "snapshot", "uuid": "s"},
        )
    ),
    ("openstack:objectstorage/container:Container", "x", {"protect": False}, {"protect": True}, "BCK-01", "not protected"),
    ("openstack:images/image:Image", "x", {"visibility": "public"}, {"visibility": "private"}, "CMP-01", "public"),
    ("openstack:identity/user:User", "x", {"password": "hunter2"}, {"password": SECRET}, "CRY-05", "`password` in clear"),
    ("pulumi:providers:openstack", "x", {"password": "hunter2"}, {"cloud": "c"}, "CRY-05", "`password` in clear"),
    *(
        (kind, "x", {key: "hunter2"}, {key: SECRET}, "CRY-05", f"`{key}` in clear")
        for kind, key in (
            ("pulumi:providers:openstack", "token"),
            ("pulumi:providers:openstack", "applicationCredentialSecret"),
            ("openstack:compute/instance:Instance", "adminPass"),
            ("openstack:compute/keypair:Keypair", "privateKey"),
            (CREDENTIAL, "secret"),
        )
    ),
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
    ("openstack:vpnaas/siteConnection:SiteConnection", "x", {"psk": "hunter2"}, {"psk": SECRET}, "CRY-05", "`psk` in clear"),
    *(
        ("openstack:compute/instance:Instance", "x", {"userData": text}, {"userData": SECRET}, "CRY-05", "a secret in clear in `userData`")
        for text in (
            "#cloud-config\npassword: hunter2\n",
            "#cloud-config\nusers:\n- plain_text_passwd: 'hunter2'\n",
            '#cloud-config\n{"write_files": [{"content": "a=1\\nDB_PASSWORD=hunter2\\n"}]}',
            "#!/bin/sh\nexport API_TOKEN=hunter2\n",
        )
    ),
    (
        "openstack:compute/instance:Instance",
        "x",
        {"personalities": [{"file": "/etc/x", "content": "psk = hunter2"}]},
        {"personalities": [{"file": "/etc/x", "content": "port = 1"}]},
        "CRY-05",
        "a secret in clear in `content`",
    ),
    (RULE, "app.in", WORLD, {"direction": "ingress", "remoteAddressGroupId": "a"}, "NET-02", "0.0.0.0/0"),
    (PORT, "x", {**GOOD_PORT, "noSecurityGroups": True, "securityGroupIds": UNKNOWN}, GOOD_PORT, "NET-02", "no security group"),
    (
        "openstack:firewall/ruleV2:RuleV2",
        "app.web",
        {"action": "allow", "sourceIpAddress": "::/0"},
        {"action": "reject", "sourceIpAddress": "::/0"},
        "NET-02",
        "lets in ::/0",
    ),
    (
        "openstack:networking/addressScope:AddressScope",
        "x",
        {"name": "x", "shared": True},
        {"name": "x", "shared": UNKNOWN},
        "NET-04",
        "every project",
    ),
    (
        "openstack:compute/instance:Instance",
        "x",
        {"name": "x", "networks": [{"port": "p"}, {"uuid": "n"}]},
        {"name": "x", "networks": [{"port": "p"}, {"port": "q"}]},
        "NET-02",
        "network instead of a port",
    ),
    ("openstack:identity/project:Project", "x", {"tags": [TAGS[0], TAGS[2]]}, {"isDomain": True}, "IAM-01", "lz-level"),
    ("openstack:objectstorage/container:Container", "x", {"containerRead": "*"}, {"containerRead": "p1:u1"}, "STO-05", "every account"),
    ("openstack:images/image:Image", "x", {"visibility": "community"}, {"visibility": "shared"}, "CMP-01", "is community"),
    ("openstack:networking/router:Router", "x", {"region": "west"}, {"region": UNKNOWN}, "STO-01", "west"),
    (
        "openstack:images/image:Image",
        "x",
        {"imageSourcePassword": "hunter2"},
        {"imageSourcePassword": SECRET},
        "CRY-05",
        "`imageSourcePassword` in clear",
    ),
    *(
        (f"openstack:{kind}", "x", {"name": "x"}, {"name": "x", "tags": TAGS}, "OPS-04", "has no tag lz-environment, lz-level, lz-owner")
        for kind in (
            "networking/network:Network",
            "networking/subnet:Subnet",
            "networking/router:Router",
            "networking/port:Port",
            "networking/secGroup:SecGroup",
            "networking/floatingIp:FloatingIp",
        )
    ),
    *(
        (f"openstack:{kind}", "x", {"tags": TAGS}, {"name": "x", "tags": TAGS}, "OPS-04", "has no name")
        for kind in (
            "networking/network:Network",
            "networking/router:Router",
            "networking/port:Port",
            "networking/secGroup:SecGroup",
            "compute/instance:Instance",
            "blockstorage/volume:Volume",
        )
    ),
    *(
        (f"openstack:{kind}", "x", {}, {"protect": True}, "BCK-01", "not protected")
        for kind in ("images/image:Image", "sharedfilesystem/share:Share", "keymanager/secretV1:SecretV1")
    ),
    ("openstack:networking/subnet:Subnet", "x", {"tags": TAGS}, {"name": UNKNOWN, "tags": TAGS}, "OPS-04", "no name"),
    ("openstack:networking/subnet:Subnet", "x", {"name": "mạng", "tags": TAGS}, {"name": "mang", "tags": TAGS}, "OPS-04", "outside ASCII"),
    ("openstack:networking/router:Router", "x", {"name": "x", "tags": TAGS[1:]}, {"name": "x", "tags": TAGS}, "OPS-04", "lz-environment"),
]


# kinds that no properties make right, and the control
NEVER = {
    "openstack:orchestration/stackV1:StackV1": "OPS-04",
    "openstack:containerinfra/cluster:Cluster": "OPS-04",
    "openstack:containerinfra/nodeGroup:NodeGroup": "OPS-04",
    "openstack:identity/ec2CredentialV3:Ec2CredentialV3": "IAM-05",
    "openstack:index/taasTapMirrorV2:TaasTapMirrorV2": "NET-04",
}


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


def test_where_no_level_asks_for_it_volumes_need_not_be_encrypted() -> None:
    volume = {"name": "x", "volumeType": "fast", "protect": True}
    assert check("openstack:blockstorage/volume:Volume", "x", volume, replace(FACTS, encrypted=False)) == []


@pytest.mark.parametrize("kind", ["unencrypted", "ssd-not-encrypted", "NonEncrypted"])
def test_a_volume_type_that_says_that_it_does_not_encrypt_is_none_that_does(kind: str) -> None:
    found = check("openstack:blockstorage/volume:Volume", "x", {"name": "x", "volumeType": kind, "protect": True}, FACTS)
    assert [violation.control for violation in found] == ["STO-04"]


@pytest.mark.parametrize(
    "text",
    [
        entry_by_certificate("debian", "ssh-ed25519 AAAA landing-zone", ["lab.north"]),
        "#cloud-config\nssh_pwauth: false\nchpasswd: {expire: false}\nusers:\n- lock_passwd: true\n  passwd: $6$salt$hash\n",
        "#!/bin/sh\nexport PASSWORD=$(cat /run/secret)\nTOKEN=${TOKEN:?}\n",
        UNKNOWN,
    ],
)
def test_user_data_without_a_secret_passes(text: Any) -> None:
    found = check("openstack:compute/instance:Instance", "x", {"name": "x", "networks": [{"port": "p"}], "userData": text}, FACTS)
    assert found == []


@pytest.mark.parametrize(("kind", "control"), NEVER.items())
def test_some_kinds_are_never_made(kind: str, control: str) -> None:
    (found,) = check(kind, "x", {"name": "x"}, FACTS)
    assert found.control == control
    assert found.cure


@pytest.mark.parametrize(
    "devices", [UNKNOWN, SECRET, [UNKNOWN], [{"sourceType": UNKNOWN}], [{"sourceType": "blank", "destinationType": UNKNOWN}]]
)
def test_disks_that_are_not_known_yet_pass(devices: Any) -> None:
    found = check("openstack:compute/instance:Instance", "x", {"name": "x", "networks": [{"port": "p"}], "blockDevices": devices}, FACTS)
    assert found == []


def test_who_may_mount_a_share_by_name_is_no_prefix() -> None:
    kind = "openstack:sharedfilesystem/shareAccess:ShareAccess"
    assert check(kind, "x", {"accessType": "user", "accessTo": "edu-app"}, FACTS) == []


def test_a_firewall_at_the_edge_lets_the_world_reach_a_service() -> None:
    rule = {"action": "allow", "protocol": "tcp", "sourceIpAddress": "0.0.0.0/0"}
    for port in ("443", "8000:8080", UNKNOWN):
        assert check("openstack:firewall/ruleV2:RuleV2", "unit-edge.web", {**rule, "destinationPort": port}, FACTS) == []
    assert check("openstack:firewall/ruleV2:RuleV2", "app.web", {**rule, "action": "deny"}, FACTS) == []


def test_what_is_not_known_yet_passes_until_it_is() -> None:
    assert check("openstack:networking/subnet:Subnet", "x", {"name": "x", "tags": UNKNOWN}, FACTS) == []
    read = {"containerRead": ".r:*", "protect": True}
    assert check("openstack:objectstorage/container:Container", "x", {**read, "metadata": UNKNOWN}, FACTS) == []
    assert check("openstack:objectstorage/container:Container", "x", {**read, "metadata": {"classification": UNKNOWN}}, FACTS) == []


def test_every_rule_has_a_case_that_breaks_it() -> None:
    wrong: list[tuple[str, str, dict[str, Any]]] = [*((case[0], case[1], case[2]) for case in CASES), *((kind, "x", {}) for kind in NEVER)]
    broken = {
        guard.rule
        for kind, name, bad in wrong
        for guard in GUARDS
        if any(part in kind for part in guard.types) and list(guard.rule(name, bad, FACTS))
    }
    assert {guard.rule.__name__ for guard in GUARDS} == {rule.__name__ for rule in broken}

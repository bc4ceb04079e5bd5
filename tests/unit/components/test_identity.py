"""Identity components: what they register, in which order, and that passwords stay secret."""

from __future__ import annotations

from components.identity import (
    ComputeQuota,
    DnsQuota,
    Domain,
    DomainArgs,
    GrantArgs,
    GroupArgs,
    LoadBalancerQuota,
    MachineUserArgs,
    NetworkQuota,
    Project,
    ProjectArgs,
    QuotaArgs,
    VolumeQuota,
    grant_on_domain,
    grant_on_project,
)
from tests.support.pulumi_recorder import run

COMPUTE = ComputeQuota(instances=2, cores=4, ram=4096, key_pairs=2, server_groups=1, server_group_members=2)
NETWORK = NetworkQuota(
    network=1, subnet=2, subnetpool=0, router=1, port=9, floatingip=0, security_group=3, security_group_rule=30, rbac_policy=1
)


def domain() -> Domain:
    return Domain(
        DomainArgs(
            name="moha",
            description="Ministry of Home Affairs",
            groups=(GroupArgs("moha-members", "people"), GroupArgs("moha-machines", "programs")),
            machine_users=(MachineUserArgs("moha-lz", "automation", ("moha-machines",), "correct horse"),),
        )
    )


def test_domain_is_a_keystone_domain_with_its_groups() -> None:
    made = run(domain)
    assert made.one("identity/project").inputs == {"name": "moha", "description": "Ministry of Home Affairs", "isDomain": True}
    groups = made.of("identity/groupV3")
    assert [group.name for group in groups] == ["moha-machines", "moha-members"]
    assert {group.inputs["domainId"] for group in groups} == {"id-of-moha"}


def test_machine_user_joins_its_groups_and_no_role_goes_to_a_user() -> None:
    made = run(domain)
    account = made.one("identity/user:User").inputs
    assert (account["name"], account["domainId"], account["ignorePasswordExpiry"]) == ("moha-lz", "id-of-moha", True)
    membership = made.one("identity/userMembership").inputs
    assert membership == {"userId": "id-of-moha-lz", "groupId": "id-of-moha-machines"}
    assert made.of("roleAssignment") == []


def test_password_is_a_secret() -> None:
    password = run(domain).one("identity/user:User").inputs["password"]
    assert password["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270", "not marked as a secret"


def test_project_is_closed_by_quotas_of_each_service_that_there_is() -> None:
    everything = QuotaArgs(
        COMPUTE,
        NETWORK,
        VolumeQuota(1, 10, 10, 1, 1, 10, 0),
        LoadBalancerQuota(1, 1, 1, 2, 1),
        DnsQuota(zones=1, zone_recordsets=10, zone_records=20),
    )
    made = run(lambda: Project(ProjectArgs("moha-app", "applications", "d1", everything, tags=("b", "a"))))
    project = made.one("identity/project").inputs
    assert (project["domainId"], project["tags"]) == ("d1", ["a", "b"])
    assert made.one("compute/quotaSet").inputs == {
        "projectId": "id-of-moha-app",
        "instances": 2,
        "cores": 4,
        "ram": 4096,
        "keyPairs": 2,
        "serverGroups": 1,
        "serverGroupMembers": 2,
    }
    assert made.one("networking/quota").inputs["securityGroupRule"] == 30
    assert made.one("blockstorage/").inputs["perVolumeGigabytes"] == 10
    assert made.one("loadbalancer/quota").inputs["healthMonitor"] == 1
    assert made.one("dns/quota").inputs["zoneRecordsets"] == 10

    smallest = run(lambda: Project(ProjectArgs("moha-app", "applications", "d1", QuotaArgs(COMPUTE, NETWORK))))
    assert len([one for one in smallest.made if "uota" in one.type or "uote" in one.type]) == 2


def test_grants_go_to_groups() -> None:
    def program() -> None:
        grant_on_project(GrantArgs("g--member--p", "g1", "r1"), "p1")
        grant_on_domain(GrantArgs("g--manager--d", "g1", "r2"), "d1")
        grant_on_domain(GrantArgs("g--reader--d--inherited", "g1", "r3", inherited=True), "d1")

    made = run(program)
    assert made.one("roleAssignment:", "g--member--p").inputs == {"projectId": "p1", "groupId": "g1", "roleId": "r1"}
    assert made.one("roleAssignment:", "g--manager--d").inputs == {"domainId": "d1", "groupId": "g1", "roleId": "r2"}
    assert made.one("inheritRoleAssignment").inputs == {"domainId": "d1", "groupId": "g1", "roleId": "r3"}

"""Machines and the bastion: always on a port of their own, made for them, behind security groups."""

from __future__ import annotations

from typing import Any

import pulumi_openstack as openstack
import pytest
import yaml
from pulumi.runtime import resource

from components.access import Bastion, entry_by_certificate
from components.compute import Machine, MachineArgs
from components.network import AddressArgs
from tests.support.pulumi_recorder import Recorder, run


def args(floating: str | None = None) -> MachineArgs:
    return MachineArgs(
        name="bastion",
        description="the way in",
        project_id="p1",
        network_id="n1",
        addresses=(AddressArgs("s4", "10.0.0.10"),),
        security_group_ids=("sg1", "sg2"),
        image="debian-13",
        flavor="SCS-1L-1-5",
        availability_zone="az2",
        user_data="#cloud-config",
        floating_pool=floating,
    )


def machine(floating: str | None = None) -> Recorder:
    def program() -> None:
        Machine(args(floating), openstack.Provider("owner-project", cloud="x", region="north"))

    return run(program)


def test_instance_boots_from_its_own_port_and_names_no_network() -> None:
    made = machine()
    port = made.one("networking/port:").inputs
    assert (port["tenantId"], port["networkId"], port["adminStateUp"]) == ("p1", "n1", True)
    assert port["securityGroupIds"] == ["sg1", "sg2"]
    assert port["portSecurityEnabled"] is True
    assert port["fixedIps"] == [{"subnetId": "s4", "ipAddress": "10.0.0.10"}]
    instance = made.one("compute/instance:").inputs
    assert instance["networks"] == [{"port": "id-of-bastion"}]
    assert (instance["imageName"], instance["flavorName"], instance["userData"]) == ("debian-13", "SCS-1L-1-5", "#cloud-config")
    assert instance["availabilityZone"] == "az2"
    assert "keyPair" not in instance


def test_instance_is_made_by_its_owner_and_the_port_is_not() -> None:
    made = machine()
    assert "owner-project" in made.one("compute/instance:").provider
    assert "owner-project" not in made.one("networking/port:").provider


def test_with_another_image_an_instance_is_made_anew_and_not_rebuilt_under_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys of a host are pinned for the id of its instance: a rebuilt one would be refused for ever."""
    asked: list[tuple[str, list[str]]] = []
    original = resource._translate_replace_on_changes

    def translated(made: Any, kind: Any, names: list[str] | None) -> list[str] | None:
        found = original(made, kind, names)
        asked.append((type(made).__name__, list(found or ())))
        return found

    monkeypatch.setattr(resource, "_translate_replace_on_changes", translated)
    machine()
    assert dict(asked)["Instance"] == ["imageName"]


def test_floating_address_only_where_asked_for() -> None:
    assert machine().of("floatingIp") == []
    floating = machine("public").one("floatingIp").inputs
    assert (floating["pool"], floating["portId"], floating["tenantId"]) == ("public", "id-of-bastion", "p1")


def test_bastion_must_be_reachable() -> None:
    def program() -> None:
        Bastion(args(None), openstack.Provider("owner", cloud="x", region="north"))

    with pytest.raises(ValueError, match="no floating pool"):
        run(program)


def test_entry_is_by_certificates_of_the_authority_for_the_principals_and_by_nothing_else() -> None:
    text = entry_by_certificate("debian", "ssh-ed25519 AAAA lz", ("bastion-north", "lab.north"))
    assert text.startswith("#cloud-config\n")
    files = {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}
    assert files["/etc/ssh/user_ca.pub"] == "ssh-ed25519 AAAA lz\n"
    assert files["/etc/ssh/principals/debian"] == "bastion-north\nlab.north\n"
    sshd = files["/etc/ssh/sshd_config.d/05-landing-zone.conf"]
    assert set(sshd.splitlines()) == {
        "TrustedUserCAKeys /etc/ssh/user_ca.pub",
        "AuthorizedPrincipalsFile /etc/ssh/principals/%u",
        "AuthorizedKeysFile none",
        "AuthenticationMethods publickey",
    }

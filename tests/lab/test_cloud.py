"""What a region offers its first user, asked from outside as that user would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Any

import openstack
import pytest
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException

from foundation.places import CHECKOUT
from foundation.process import run
from lab import cloud, health
from lab.compute import choose
from lab.daemons import NICE
from lab.machine import Machine
from lab.region import machine_of
from lab.settings import SERVICES, Places, Region
from tests.support import units
from tests.support.command import LZ, lz

pytestmark = pytest.mark.lab


def test_every_service_of_every_region_answers_by_tls(where: Places, regions: tuple[Region, ...]) -> None:
    done = lz("lab", "status", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    assert {(row["region"], row["service"]) for row in report["services"]} == {(r.name, s.name) for r in regions for s in SERVICES}
    assert all(row["good"] and row["version"] != "?" and row["url"].startswith("https://") for row in report["services"])
    assert report["own"] is True
    assert report["cannot_show"] == choose.cannot_show(report["compute"])
    shown = lz("lab", "status").stdout
    for row in report["services"]:
        assert 0 < row["milliseconds"] < 5000
        line = next(line for line in shown.splitlines() if row["url"] in line)
        assert all(word in line for word in (row["service"], row["region"], row["version"]))
        assert re.search(r" [1-9][0-9]* ms ", line)
    assert report["cannot_show"] in shown


def test_regions_have_an_identity_service_each(where: Places, regions: tuple[Region, ...]) -> None:
    ids = {region.name: cloud.connect(region, where).current_user_id for region in regions}
    assert len(set(ids.values())) == len(regions)


def test_catalogue_names_https_addresses_of_the_own_region_only(where: Places, regions: tuple[Region, ...]) -> None:
    for region in regions:
        identity: Any = cloud.connect(region, where).identity
        public = [endpoint for endpoint in identity.endpoints() if endpoint.interface == "public"]
        assert len(public) == len(SERVICES)
        assert all(endpoint.url.startswith(f"https://{region.api}:") and endpoint.region_id == region.name for endpoint in public)


def test_every_flavor_is_what_its_name_says(where: Places, regions: tuple[Region, ...]) -> None:
    """Cores, memory, disk and properties as Nova gives them, against what the names of the standard stand for."""
    wanted = {one.name: (one.cpus, one.ram, one.disk, one.specs) for one in map(cloud.flavor, cloud.FLAVORS)}
    for region in regions:
        compute: Any = cloud.connect(region, where).compute
        found = {one.name: (one.vcpus, one.ram, one.disk, one.extra_specs) for one in compute.flavors(get_extra_specs=True)}
        assert {name: found.get(name) for name in wanted} == wanted, region.name


@pytest.mark.parametrize(("part", "purpose"), [("", "generic"), ("-kernel", "custom"), ("-ramdisk", "custom")])
def test_guest_image_carries_its_scs_properties(admin: Connection, part: str, purpose: str) -> None:
    """Kernel and initrd too, since the standard asks it of every public image."""
    image: Any = admin.image
    guest = image.find_image(f"debian-13{part}", ignore_missing=False)
    values = {**guest.to_dict(), **(guest.properties or {})}
    for key in ("os_distro", "os_version", "architecture", "hw_disk_bus", "uuid_validity"):
        assert values[key], key
    for key in ("image_source", "image_description", "image_build_date", "image_original_user", "replace_frequency", "provided_until"):
        assert values[key], key
    assert values["os_purpose"] == purpose
    assert guest.visibility == "public"
    assert guest.min_disk > 0
    assert guest.min_ram > 0


def test_a_new_security_group_of_a_new_project_opens_nothing(admin: Connection, name: str) -> None:
    identity: Any = admin.identity
    network: Any = admin.network
    project = identity.create_project(name=name, domain_id="default")
    try:
        groups = list(network.security_groups(project_id=project.id))
        assert [group.name for group in groups] == ["default"]
        assert groups[0].security_group_rules == []
    finally:
        for group in network.security_groups(project_id=project.id):
            network.delete_security_group(group)
        identity.delete_project(project)


def test_a_domain_manager_manages_its_own_domain_and_no_other(where: Places, north: Region, admin: Connection, name: str) -> None:
    identity: Any = admin.identity
    domain = identity.create_domain(name=name)
    try:
        user = identity.create_user(name=f"{name}-manager", password=name * 3, domain_id=domain.id)
        identity.assign_domain_role_to_user(domain, user, identity.find_role("manager"))
        manager = openstack.connect(
            auth_url=f"https://{north.api}:5000/v3", username=user.name, password=name * 3, user_domain_id=domain.id, domain_id=domain.id,
            region_name=north.name, cacert=str(where.ca), load_yaml_config=False, load_envvars=False,
        )  # fmt: skip
        theirs: Any = manager.identity
        assert theirs.create_project(name=f"{name}-own", domain_id=domain.id).id
        with pytest.raises(ForbiddenException):
            theirs.create_project(name=f"{name}-other", domain_id="default")
        grants = {role: f"/domains/{domain.id}/users/{user.id}/roles/{identity.find_role(role).id}" for role in ("member", "admin")}
        assert theirs.put(grants["member"]).status_code == 204
        assert theirs.put(grants["admin"]).status_code == 403
    finally:
        identity.update_domain(domain, is_enabled=False)
        identity.delete_domain(domain)


def test_an_account_may_sign_in_for_the_first_time_from_many_places_at_once(
    where: Places, north: Region, admin: Connection, name: str
) -> None:
    """Keystone notes the day in the account's row; a database that takes two notes for a conflict has it answer 500."""
    identity: Any = admin.identity
    users = [identity.create_user(name=f"{name}-{number}", password=name * 3, domain_id="default") for number in range(6)]
    try:
        for user in users:
            account = {"user_id": user.id, "password": name * 3, "unscoped": True}
            places = [Session(Password(f"https://{north.api}:5000/v3", **account), verify=str(where.ca)) for _ in range(4)]
            with ThreadPoolExecutor(max_workers=len(places)) as pool:
                assert all(pool.map(Session.get_token, places))
    finally:
        for user in users:
            identity.delete_user(user)


def test_objects_are_reached_by_the_s3_api_too(admin: Connection, where: Places, north: Region, name: str) -> None:
    store: Any = admin.object_store
    store.create_container(name)
    store.upload_object(container=name, name="note", data=b"kept")
    project = admin.current_project_id
    reply: Any = admin.identity.post(f"/users/{admin.current_user_id}/credentials/OS-EC2", json={"tenant_id": project})
    key = reply.json()["credential"]
    date, path = formatdate(usegmt=True), f"/{name}/note"
    try:
        text = f"GET\n\n\n{date}\n{path}"
        right = base64.b64encode(hmac.new(key["secret"].encode(), text.encode(), hashlib.sha1).digest()).decode()
        assert _get(where, north, path, date, f"AWS {key['access']}:{right}") == b"kept"
        with pytest.raises(urllib.error.HTTPError) as refused:
            _get(where, north, path, date, f"AWS {key['access']}:{'A' * 27}=")
        assert refused.value.code == 403
    finally:
        admin.identity.delete(f"/users/{admin.current_user_id}/credentials/OS-EC2/{key['access']}")
        store.delete_object("note", container=name)
        store.delete_container(name)


def _get(where: Places, region: Region, path: str, date: str, authorization: str) -> bytes:
    request = urllib.request.Request(f"https://{region.api}:8080{path}", headers={"Date": date, "Authorization": authorization})
    handler = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(where.ca)))
    with urllib.request.build_opener(urllib.request.ProxyHandler({}), handler).open(request, timeout=20) as response:
        body: bytes = response.read()
        return body


def test_a_zone_is_answered_by_the_name_server_over_tls(
    admin: Connection, machine: Machine, where: Places, north: Region, name: str
) -> None:
    dns: Any = admin.dns
    zone = dns.create_zone(name=f"{name}.example.org.", email="hostmaster@example.org", ttl=300)
    try:
        dns.create_recordset(zone, name=f"www.{name}.example.org.", type="A", records=["198.18.1.77"], ttl=60)
        # A record may be ACTIVE before the name server has it: the check of the zone's creation takes it along.
        answer = ""
        deadline = time.monotonic() + 60
        while not answer and time.monotonic() < deadline:
            answer = machine.inside("dig", "+tls", "+short", "+time=3", f"@{north.api}", f"www.{name}.example.org").strip()
            time.sleep(0.5)
        assert answer == "198.18.1.77"
    finally:
        dns.delete_zone(zone)


@pytest.mark.timeout(300)
def test_a_backup_is_restored_to_a_new_volume_with_name_size_and_contents(admin: Connection, machine: Machine, name: str) -> None:
    """What stands at both ends of the volume; an instance would see no more of it, and takes longer."""
    storage: Any = admin.block_storage
    volume = storage.wait_for_status(storage.create_volume(name=name, size=1), "available", interval=0.5, wait=90)
    made = [volume]
    machine.inside("qemu-io", "-c", "write -P 0x5a 0 1M", "-c", "write -P 0xa5 1023M 1M", _file_of(volume))
    backup = storage.create_backup(volume_id=volume.id, name=name)
    try:
        storage.wait_for_status(backup, "available", failures=["error"], interval=0.5, wait=180)
        # The name that Cinder's own client has for a volume nobody named: the backup puts its own in the place.
        restored = storage.get_volume(storage.restore_backup(backup, name=f"restore_backup_{backup.id}").volume_id)
        made.append(restored)
        restored = storage.wait_for_status(restored, "available", failures=["error", "error_restoring"], interval=0.5, wait=180)
        assert (restored.name, restored.size) == (name, 1)
        assert "identical" in machine.inside("qemu-img", "compare", _file_of(volume), _file_of(restored))
    finally:
        storage.delete_backup(backup)
        storage.wait_for_delete(backup, interval=0.5, wait=120)
        for each in made:
            storage.delete_volume(each)
        for each in made:
            storage.wait_for_delete(each, interval=0.5, wait=120)


def _file_of(volume: Any) -> str:
    """Where the machine of its region keeps a volume."""
    return f"/srv/cinder/volume-{volume.id}"


def test_a_secret_is_kept_and_given_back(admin: Connection, name: str) -> None:
    keys: Any = admin.key_manager
    secret = keys.create_secret(name=name, payload="given back", payload_content_type="text/plain")
    identity = secret.secret_ref.rsplit("/", 1)[-1]
    assert secret.secret_ref.startswith("https://")
    assert keys.get_secret(identity).payload == "given back"
    keys.delete_secret(identity)
    assert name not in [entry.name for entry in keys.secrets()]


def test_every_agent_reports_itself(where: Places, regions: tuple[Region, ...]) -> None:
    for region in regions:
        assert health.silent_agents(cloud.connect(region, where)) == []


def test_processors_go_first_to_those_for_whom_all_wait_and_last_to_those_that_gain_by_waiting(
    where: Places, regions: tuple[Region, ...]
) -> None:
    grouped = Path("/proc/self/autogroup").exists()
    machines = [machine_of(where, region) for region in regions]
    for machine in machines if grouped else ():
        assert machine.inside("cat", "/proc/1/autogroup").split()[1:] == ["nice", "0"]
    for machine, (unit, nice) in itertools.product(machines, NICE.items()):
        assert units.shown(machine, unit, "Type") != "simple", unit
        pid = units.shown(machine, unit, "MainPID")
        stat = machine.inside("cat", f"/proc/{pid}/stat").rpartition(")")[2].split()
        assert int(stat[16]) == nice, unit  # proc(5): the nineteenth, of which pid and name are left of the bracket
        if grouped:
            assert machine.inside("cat", f"/proc/{pid}/autogroup").split()[1:] == ["nice", str(nice)], unit


def test_openstack_client_works_with_what_env_prints(where: Places, north: Region) -> None:
    client = f"exec openstack --os-cloud lab-{north.name}"
    assert "public" in run(["bash", "-euc", f'eval "$({LZ} lab env)" && {client} network list -f value -c Name']).split()


def test_what_next_of_up_works_when_pasted(where: Places) -> None:
    done = lz("lab", "up")
    lines = [line.strip() for line in done.stdout.partition("Next:\n")[2].splitlines()]
    assert len(lines) > 1, done.stdout
    for line in lines:
        run(["bash", "-euc", line], cwd=CHECKOUT)

"""The landing zone on the live lab, end to end and in this order: bad input, preview, a killed up, its resume, second up and
refresh empty, proof, secrets, hand-made faults that the proof must find, down without a trace."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from keystoneauth1.exceptions import ClientException
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.exceptions import HttpException, SDKException

from foundation.places import CHECKOUT
from foundation.shell import callable_here
from lab import cloud
from lab.region import machine_of
from lab.settings import REGIONS, Places, Region
from landing_zone.cli.changes import ways_on
from landing_zone.engine.clouds import account_of, keystone
from landing_zone.engine.credentials import as_machine, file_of, kept
from landing_zone.engine.home import Home
from landing_zone.engine.limits import READERS
from landing_zone.engine.opening import Asked, open_run
from landing_zone.engine.orphans import ALL_PROJECTS
from landing_zone.engine.runs import Run, Selection
from landing_zone.engine.stack import StackKey
from landing_zone.planners.quotas import OBJECTS
from landing_zone.planners.shares import PROBES
from landing_zone.proof.credentials import check_tenant
from landing_zone.proof.results import Verdict
from tests.support import census
from tests.support.command import LZ, lz
from tests.support.waiting import until
from tests.support.without_lz import pulumi_in, without_lz

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200), pytest.mark.usefixtures("equipped")]

ENV = "lab"
INSTANCE = "openstack:compute/instance:Instance"


@pytest.fixture(scope="module")
def admins(where: Places, regions: tuple[Region, ...]) -> dict[str, Connection]:
    return {region.name: cloud.connect(region, where) for region in regions}


@pytest.fixture(scope="module")
def flags(regions: tuple[Region, ...]) -> list[str]:
    return ["--env", ENV, *(word for region in regions for word in ("--region", region.name))]


@pytest.fixture(scope="module")
def before(admins: dict[str, Connection], flags: list[str]) -> dict[str, census.Census]:
    """What lives in the regions without a landing zone."""
    down = lz("down", *flags, "--yes", "--yes-delete-others")
    assert down.returncode == 0, down.stderr
    return {name: census.take(admin) for name, admin in admins.items()}


@pytest.fixture(scope="module")
def run(before: dict[str, census.Census], regions: tuple[Region, ...]) -> Run:
    """A run on what stands, for looking at it."""
    return open_run(Asked(ENV, tuple(region.name for region in regions)), print)[0]


def data(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def changes(found: list[dict[str, Any]]) -> set[str]:
    return {kind for stack in found for kind in stack["changes"]}


def cloud_resources(run: Run, stack: str) -> list[Any]:
    return [one for one in run.stacks.resources(StackKey.of(stack)) if one["type"].startswith("openstack:")]


# ------------------------------------------------------------------------------------------------------------- bad input
@pytest.fixture
def clouds_file(where: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the lab's clouds.yaml to spoil."""
    path = tmp_path / "clouds.yaml"
    shutil.copy(where.clouds, path)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return path


def spoil(path: Path, change: Any) -> None:
    content = yaml.safe_load(path.read_text())
    for entry in content["clouds"].values():
        change(entry)
    path.write_text(yaml.safe_dump(content))


def refused(code: int, *said: str, words: tuple[str, ...] = ()) -> None:
    done = lz("up", "--env", ENV, "--yes", *words)
    assert done.returncode == code
    for text in said:
        assert text in done.stderr
    assert done.stderr.count("\n  cure:  ") == len(re.findall("^error: ", done.stderr, re.MULTILINE)) > 0, done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_names_are_refused_with_those_that_there_are(before: dict[str, census.Census]) -> None:
    refused(2, "no region 'west'", "one of: north, south", words=("--region", "west"))
    refused(2, "no tenant 'nobody'", "edu", words=("--tenant", "nobody"))
    refused(2, "no layer 'roof'", "identity", words=("--layer", "roof"))


def test_clouds_file_without_the_cloud(before: dict[str, census.Census], clouds_file: Path) -> None:
    clouds_file.write_text("clouds: {other: {auth: {auth_url: 'https://x'}}}")
    refused(2, "clouds.yaml has no cloud 'lab-north'", "it has: other")


def test_wrong_password(before: dict[str, census.Census], clouds_file: Path) -> None:
    spoil(clouds_file, lambda entry: entry["auth"].update(password="wrong"))
    refused(2, "does not accept the user name or password", "cloud lab-north")


def test_another_authority(before: dict[str, census.Census], clouds_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", tmp_path / "key", "-out", other, "-subj", "/CN=other"],
        check=True,
        capture_output=True,
    )
    spoil(clouds_file, lambda entry: entry.update(cacert=str(other)))
    refused(2, "certificate cannot be verified", "never switch verification off")


def test_endpoint_down(before: dict[str, census.Census], clouds_file: Path) -> None:
    spoil(clouds_file, lambda entry: entry["auth"].update(auth_url="https://127.0.0.1:1/v3"))
    refused(2, "the cloud does not answer", "https://127.0.0.1:1/v3")


def test_bad_input_has_made_nothing(before: dict[str, census.Census], admins: dict[str, Connection]) -> None:
    for name, admin in admins.items():
        assert census.left_over(before[name], census.take(admin)) == []


# --------------------------------------------------------------------------------------------------------------- the way
def test_preview_only_creates_and_changes_nothing(
    before: dict[str, census.Census], flags: list[str], admins: dict[str, Connection]
) -> None:
    found = data(lz("plan", *flags, "--json"))
    assert changes(found) == {"create"}
    assert sum(stack["changes"]["create"] for stack in found) > 200 * len(admins)
    for name, admin in admins.items():
        assert census.left_over(before[name], census.take(admin)) == []


def networks_half_made(states: list[dict[str, Any]]) -> bool:
    return any(len(state.get("resources", ())) > 25 for state in states)


def bastion_starts(states: list[dict[str, Any]]) -> bool:
    return any(one["resource"]["type"] == INSTANCE for state in states for one in state.get("pending_operations") or ())


@pytest.mark.parametrize(("layer", "half_way"), [("network", networks_half_made), ("access", bastion_starts)])
def test_up_is_killed(run: Run, flags: list[str], layer: str, half_way: Callable[[list[dict[str, Any]]], bool]) -> None:
    """In the middle of what others build on, and while bastions start; the next test makes it good."""
    keys = [StackKey(ENV, region, layer) for region in run.connections]
    began = subprocess.Popen([LZ, "up", *flags, "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: began.poll() is not None or half_way([run.stacks.latest(key) for key in keys]), seconds=300)
    assert began.poll() is None, "up was over before it could be killed"
    os.kill(began.pid, signal.SIGKILL)
    began.wait()


def test_a_killed_up_is_resumed_by_the_same_command(flags: list[str]) -> None:
    found = data(lz("up", *flags, "--yes", "--json"))
    assert "create" in changes(found)


def test_second_up_is_empty(run: Run, flags: list[str]) -> None:
    found = data(lz("up", *flags, "--full", "--yes", "--json"))
    assert {stack["operation"] for stack in found} == {"preview"}
    assert changes(found) == {"same"}


def test_an_up_finishes_the_default_groups_of_one_that_was_killed(run: Run, flags: list[str], admins: dict[str, Connection]) -> None:
    """With rules in one of them as Neutron makes them itself wherever its templates are as they come, and one of somebody's own."""
    region, admin = next(iter(admins.items()))
    key = StackKey(ENV, region, "tenant-edu")
    project = min(run.stacks.projects(key))
    [group] = admin.network.security_groups(project_id=project, name="default")
    rules = [
        admin.network.create_security_group_rule(security_group_id=group.id, project_id=project, ether_type="IPv4", **rule).id
        for rule in (
            {"direction": "egress"},
            {"direction": "ingress", "remote_group_id": group.id},
            {"direction": "ingress", "protocol": "tcp"},
        )
    ]
    mark = run.stacks.home.unclosed(key.name)
    try:
        assert not mark.exists()
        mark.touch()
        done = lz("up", *flags, "--yes")
        assert done.returncode == 0, done.stderr
        assert f"region {region}: removed 2 rules" in done.stderr
        assert [rule.id for rule in admin.network.security_group_rules(security_group_id=group.id)] == rules[2:]
        assert not mark.exists()
    finally:
        for rule in rules:
            admin.network.delete_security_group_rule(rule, ignore_missing=True)


def test_plan_skips_what_cannot_have_changed(run: Run, flags: list[str]) -> None:
    found = data(lz("plan", *flags, "--json"))
    assert {stack["operation"] for stack in found} == {"skip"}
    assert changes(found) == {"same"}
    assert sum(stack["resources"] for stack in found) == sum(len(cloud_resources(run, stack["stack"])) for stack in found)


def test_a_state_that_was_written_by_another_program_is_looked_at(run: Run, flags: list[str]) -> None:
    key = next(key for key in run.planned(Selection(regions=frozenset(run.connections))) if key.layer == "network")
    run.stacks.refresh(key)
    looked = [stack["stack"] for stack in data(lz("plan", *flags, "--json")) if stack["operation"] == "preview"]
    assert looked == [key.name]
    assert {stack["operation"] for stack in data(lz("plan", *flags, "--json"))} == {"skip"}


def test_refresh_after_up_is_empty(run: Run) -> None:
    everything = Selection(regions=frozenset(run.connections))
    standing = run.standing(everything)
    assert set(standing) == set(run.planned(everything))
    for outcome in run.compare(standing):
        assert not outcome.changed, f"{outcome.key.name}: {outcome.details}"
        assert set(outcome.changes) <= {"same"}


def test_nothing_was_made_twice(run: Run, before: dict[str, census.Census], admins: dict[str, Connection]) -> None:
    for name, admin in admins.items():
        now = census.take(admin)
        for kind in ("domain", "project", "group", "network", "subnet", "router", "instance", "DNS zone"):
            names = [text.rpartition(" (")[0] for text in now[kind] - before[name][kind]]
            assert len(names) == len(set(names)), f"{name}: {kind}: {sorted(names)}"
        known = {
            one["id"] for key in run.standing(Selection(regions=frozenset({name}))) for one in run.stacks.resources(key) if one.get("id")
        }
        for kind in ("network", "subnet", "router", "floating address", "sharing policy", "instance"):
            made = {text.rpartition(" (")[2].rstrip(")") for text in now[kind] - before[name][kind]}
            assert made <= known, f"{name}: {kind} that no state knows: {made - known}"


def test_bastion_is_entered_with_its_pinned_key_and_refused_with_another(run: Run) -> None:
    home = run.stacks.home
    for region in run.connections:
        name = run.plan.regions[region].access.bastion.hostname
        command = ["ssh", "-F", str(home.ssh_config), "-o", "BatchMode=yes", name, "hostname"]
        assert subprocess.run(command, check=False, capture_output=True).returncode == 0
        right = home.known_hosts.read_text()
        kind, key = next(line.split()[1:3] for line in right.splitlines() if line.startswith(name))
        home.known_hosts.write_text(f"{name} {kind} {key[:-8]}AAAAAAAA\n")
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        finally:
            home.known_hosts.write_text(right)
        assert done.returncode == 255
        assert "verification failed" in done.stderr


def test_lz_ssh_enters_and_leaves_no_key(run: Run) -> None:
    home = run.stacks.home
    before = {path.name for path in home.passes.iterdir()}
    for region in run.connections:
        done = lz("ssh", "--env", ENV, "--region", region, "bastion", "--", "hostname")
        assert done.returncode == 0, done.stderr
        assert run.plan.regions[region].access.bastion.name in done.stdout
        assert lz("ssh", "--env", ENV, "--region", region, "bastion", "--", "sh", "-c", "exit 7").returncode == 7
    assert {path.name for path in home.passes.iterdir()} <= before
    last = json.loads(home.issued.read_text().splitlines()[-1])
    assert last["principals"] == [run.plan.regions[region].access.bastion.hostname]


def test_the_command_that_lz_ssh_prints_enters_that_host_only(run: Run) -> None:
    """Nobody else's certificate, and no key that Nova or somebody wrote to authorized_keys, opens a bastion."""
    for region in run.connections:
        bastion = run.plan.regions[region].access.bastion
        words = shlex.split(lz("ssh", "--env", ENV, "--region", region, "--minutes", "1", "--print").stdout)
        done = subprocess.run(
            [*words, "cat .ssh/authorized_keys; cat /etc/ssh/principals/$USER"], check=False, capture_output=True, text=True
        )
        assert done.stdout.splitlines() == [bastion.hostname, f"{ENV}.{region}"], done.stderr


def test_proof_holds(run: Run, flags: list[str]) -> None:
    done = lz("verify", *flags, "--keep-probes", "--json")
    found = json.loads(done.stdout or "[]")
    assert (done.returncode, [result for result in found if result["result"] != "pass"]) == (0, []), done.stderr
    assert {"CRY-04", "IAM-01", "IAM-05", "IAM-09", "NET-02", "NET-04"} <= {result["control"] for result in found}
    seen = " ".join(result["seen"] for result in found)
    assert "no answer, while" in seen
    assert "answer: " in seen


def test_probes_that_stand_are_what_the_plan_says(run: Run) -> None:
    """As for every other layer: a second `up` and a refresh are empty."""
    keys = [StackKey(ENV, region, PROBES) for region in run.connections]
    for outcome in (*run.previews(keys, full=True), *run.compare(keys)):
        assert not outcome.changed, f"{outcome.key.name}: {outcome.details}"
        assert set(outcome.changes) == {"same"}


def test_proof_finds_a_hole_and_an_eye_that_somebody_made_by_hand(run: Run, flags: list[str], admins: dict[str, Connection]) -> None:
    """Rules that let one zone into another over IPv6 alone, on both sides, and a policy that shows one tenant's network to another."""
    region = next(iter(admins))
    admin = admins[region]
    rules = [
        admin.network.create_security_group_rule(
            security_group_id=next(admin.network.security_groups(name=group)).id, direction=direction, ether_type="IPv6",
            protocol=protocol, port_range_min=port, port_range_max=port, remote_ip_prefix="fd00::/8",
        )
        for group, direction in (("lab-health-data", "ingress"), ("lab-health-application", "egress"))
        for protocol, port in (("tcp", 9999), ("udp", 9999), ("ipv6-icmp", None))
    ]  # fmt: skip
    shared = {"edu": "lab-health-data", "health": "lab-edu-data"}  # each to the other, which are neighbours one way only
    policies = [
        admin.network.create_rbac_policy(
            object_id=next(admin.network.networks(name=network)).id, object_type="network", action="access_as_shared",
            target_project_id=next(keystone(admin).projects(name=f"lab-{tenant}-main")).id,
        )
        for tenant, network in shared.items()
    ]  # fmt: skip
    try:
        done = lz("verify", "--env", ENV, "--region", region, "--keep-probes", "--json")
    finally:
        for rule in rules:
            admin.network.delete_security_group_rule(rule)
        for policy in policies:
            admin.network.delete_rbac_policy(policy)
    assert done.returncode == 4
    failed = [result for result in json.loads(done.stdout) if result["result"] == "fail"]
    assert {result["control"] for result in failed} == {"NET-02", "NET-04"}
    holes = [result["check"] for result in failed if result["control"] == "NET-02"]
    for way in ("tcp/9999", "udp/9999", "icmp"):
        assert any(f"reach {way} of lab-health-data-probe over IPv6" in hole for hole in holes), holes
    assert all("of lab-health-data-probe over IPv6" in hole for hole in holes)
    seen = {(result["check"].split()[0], result["seen"]) for result in failed if result["control"] == "NET-04"}
    assert {(tenant, f"sees {network}") for tenant, network in shared.items()} <= seen


def test_proof_does_not_take_a_dead_listener_for_a_block(run: Run) -> None:
    region = next(iter(run.connections))
    home = run.stacks.home
    probe = next(spec for spec in run.plan.regions[region].probes.instances if spec.name == "lab-edu-data-probe")
    ssh = ["ssh", "-F", str(home.ssh_config), "-o", "BatchMode=yes", probe.hostname]
    block = "sudo systemctl stop lz-listener; sudo ln -sf /dev/null /run/systemd/system/lz-listener.service; sudo systemctl daemon-reload"
    subprocess.run([*ssh, block], check=True, capture_output=True)
    try:
        done = lz("verify", "--env", ENV, "--region", region, "--keep-probes", "--json")
    finally:
        subprocess.run([*ssh, "sudo rm /run/systemd/system/lz-listener.service; sudo systemctl daemon-reload"], check=True)
    assert done.returncode == 5
    unknown = [result for result in json.loads(done.stdout) if result["result"] == "could not be evaluated"]
    assert unknown
    assert all("lab-edu-data-probe" in result["check"] for result in unknown)


def as_program(run: Run, region: str, name: str) -> Connection:
    """Signed in as a tenant's program does: with an entry of its file and nothing else."""
    loader = OpenStackConfig(config_files=[str(file_of(run.stacks.home, region, "edu"))], secure_files=[], load_envvars=False)
    return Connection(config=loader.get_one(cloud=name))


def test_programs_of_a_tenant_do_what_their_credential_is_for_and_nothing_else(run: Run) -> None:
    for region in run.connections:
        member, reader = (as_program(run, region, f"lab-edu-main-{role}") for role in ("member", "reader"))
        group = member.network.create_security_group(name="of-a-program")
        assert group.id in {one.id for one in reader.network.security_groups()}
        with pytest.raises(HttpException) as refused:
            reader.network.delete_security_group(group.id)
        assert refused.value.status_code in {401, 403}
        member.network.delete_security_group(group.id)
        assert {server.name for server in reader.compute.servers()} == {
            spec.name for spec in run.plan.regions[region].probes.instances if spec.project == "lab-edu-main"
        }
        with pytest.raises(HttpException) as refused:
            keystone(member).create_application_credential(str(member.current_user_id), "another")
        assert refused.value.status_code in {401, 403}


def test_nobody_gets_a_prefix_that_somebody_else_has(run: Run, admins: dict[str, Connection]) -> None:
    """The cloud itself refuses: tenants have no room for networks of their own, and the pools' scope gives nothing out twice."""
    for region, admin in admins.items():
        with pytest.raises(HttpException, match=r"(?i)quota") as refused:
            as_program(run, region, "lab-edu-main-member").network.create_network(name="of-a-program")
        assert refused.value.status_code == 409
        other = next(admin.network.networks(name="lab-health-data"))
        for version in (4, 6):
            taken = next(admin.network.subnets(name=f"lab-edu-data-v{version}"))
            with pytest.raises(HttpException, match="Cannot allocate requested subnet") as refused:
                admin.network.create_subnet(
                    network_id=other.id, ip_version=version, cidr=taken.cidr, subnet_pool_id=taken.subnet_pool_id, is_dhcp_enabled=False
                )
            assert refused.value.status_code in {400, 409, 500}  # 500 of a Neutron that has no better word for it


def test_proof_tells_of_a_credential_that_ends_soon_may_too_much_or_is_gone(
    run: Run, admins: dict[str, Connection], tmp_path: Path
) -> None:
    """A copy of the tenant's file names two that the account itself made by hand, and of which one is gone again."""
    region = next(iter(admins))
    tenant = run.plan.regions[region].tenants["edu"]
    user = tenant.identity.machine_users[0]
    account = keystone(as_machine(run, run.plan.regions[region], user, user.project))
    ends = (datetime.now(UTC) + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ids = run.stacks.outputs(StackKey(ENV, region, "tenant-edu"))["ids"]
    identity = ids["machine-user"][user.name]
    soon, gone = (
        account.create_application_credential(identity, f"by-hand-{index}", roles=[{"name": "member"}], expires_at=ends) for index in "12"
    )
    account.delete_application_credential(identity, gone.id)
    content = yaml.safe_load(file_of(run.stacks.home, region, "edu").read_text())
    for name, one in (("lab-edu-main-reader", soon), ("lab-edu-main-member", gone)):
        content["clouds"][name]["auth"]["application_credential_id"] = one.id
    file_of(Home(tmp_path), region, "edu").write_text(yaml.safe_dump(content))
    try:
        found = list(check_tenant(admins[region], Home(tmp_path), region, tenant, ids))
    finally:
        account.delete_application_credential(identity, soon.id)
    said = {(one.control, name): one.seen for one in found for name in ("reader", "member") if f"-{name} " in one.check}
    assert {one.verdict for one in found if one.control == "CRY-04"} == {Verdict.FAIL}
    assert said["CRY-04", "reader"].startswith("it ends in 9 days")
    assert "it has the role member" in said["IAM-05", "reader"]
    assert "not in the cloud" in said["CRY-04", "member"]


def test_drift_knows_the_credentials_and_makes_a_lost_one_anew(run: Run, admins: dict[str, Connection]) -> None:
    region = next(iter(admins))
    words = ("drift", "--env", ENV, "--region", region, "--tenant", "edu")
    assert lz(*words).returncode == 0
    lost = kept(file_of(run.stacks.home, region, "edu"))["lab-edu-main-reader"]
    keystone(admins[region]).delete_application_credential(lost.user, lost.id)
    found = lz(*words, "--json")
    assert found.returncode == 4
    assert [one["name"] for one in json.loads(found.stdout)["differences"]] == ["lab-edu-main-reader of lab-edu-automation"]
    mended = lz(*words, "--fix", "--yes")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    as_program(run, region, "lab-edu-main-reader").authorize()


def test_drift_tells_of_a_bastion_of_another_image_or_that_is_off_and_of_what_is_stored_beside_it_and_puts_it_right(
    run: Run, admins: dict[str, Connection]
) -> None:
    region = next(iter(admins))
    admin, name = admins[region], run.plan.regions[region].access.bastion.name
    words = ("drift", "--env", ENV, "--region", region, "--layer", "access")

    def details() -> list[str]:
        return [text for one in json.loads(lz(*words, "--json").stdout)["differences"] for text in one["details"]]

    server = next(one for one in admin.compute.servers(all_projects=True) if one.name == name)
    image: Any = admin.image.get_image(server.image.id)
    planned = image.name
    admin.image.update_image(image, name="of-somebody")
    try:
        assert details() == [f"image: of-somebody instead of {planned}"]
    finally:
        admin.image.update_image(image, name=planned)
    admin.compute.stop_server(server)
    admin.compute.wait_for_server(server, "SHUTOFF")
    assert details() == ["running: no instead of yes"]
    desk = as_machine(run, run.plan.regions[region], run.plan.regions[region].identity.machine_users[0], f"{ENV}-platform-management")
    desk.object_store.create_container("by-hand")
    desk.object_store.upload_object("by-hand", "paper", data=b"paper")
    desk.key_manager.create_secret(name="by-hand", payload="seal", payload_content_type="text/plain")
    mended = lz(*words, "--fix", "--yes", "--yes-delete-data", "by-hand")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert [*desk.object_store.containers(), *desk.key_manager.secrets(name="by-hand")] == []
    until(lambda: lz("ssh", "--env", ENV, "--region", region, "bastion", "--", "true").returncode == 0, 300, 5)


def test_rotation_ends_the_old_credentials(run: Run, admins: dict[str, Connection]) -> None:
    region = next(iter(admins))
    old = as_program(run, region, "lab-edu-main-member")
    found = data(lz("credentials", "--env", ENV, "--region", region, "--tenant", "edu", "--rotate", "--json"))
    assert {row["cloud"] for row in found} == {"lab-edu-main-member", "lab-edu-main-reader"}
    as_program(run, region, "lab-edu-main-member").authorize()
    with pytest.raises((SDKException, ClientException)):
        old.authorize()


def test_secrets_are_nowhere_in_clear(run: Run) -> None:
    home = run.stacks.home
    files = [file_of(home, region, code) for region in run.connections for code in run.plan.regions[region].tenants]
    secrets = {path.name: path.read_text() for path in (home.root / "secrets").iterdir()}
    secrets |= {"passphrase": home.passphrase.read_text(), "authority": home.user_ca.read_text().splitlines()[3]}
    secrets |= {f"password of {name}": str(admin.config.config["auth"]["password"]) for name, admin in run.connections.items()}
    secrets |= {one.id: one.secret for file in files for one in kept(file).values()}
    own = {home.root / "secrets", home.passphrase, home.user_ca, *files}
    for path in home.root.rglob("*"):
        if path.is_file() and not own & {path, path.parent}:
            text = path.read_text(errors="replace")
            for name, secret in secrets.items():
                assert secret not in text, f"{name} in {path}"
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        for name, secret in secrets.items():
            assert secret not in words, f"{name} in the process list"


def test_every_private_file_is_private(run: Run) -> None:
    home = run.stacks.home
    private = [
        home.passphrase,
        home.user_ca,
        home.issued,
        *home.passes.iterdir(),
        *home.root.glob("credentials/*/*"),
        *(home.root / "secrets").iterdir(),
    ]
    assert len(private) > 4
    assert [path for path in private if path.stat().st_mode & 0o077] == []


def test_plain_programs_work_with_the_lines_of_lz_env(run: Run) -> None:
    done = without_lz(ENV, "pulumi stack ls --json && openstack --os-cloud lab-north token issue -f value -c id")
    assert done.returncode == 0, done.stderr
    assert "lab.north.identity" in done.stdout


def test_a_plain_preview_of_every_stack_is_empty(run: Run, tmp_path: Path) -> None:
    names = [key.name for key in run.standing(Selection())]
    assert len(names) > 5
    previews = [f"pulumi preview --non-interactive --expect-no-changes --stack {name}" for name in names]
    done = without_lz(ENV, " && ".join(previews), pulumi_in(tmp_path))
    for name in names:
        (CHECKOUT / f"Pulumi.{name}.yaml").unlink(missing_ok=True)  # the engine's settings of a stack: nothing but a salt
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" unchanged") == len(names)


def test_inventory_is_one_that_ansible_takes(run: Run, flags: list[str], tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps(data(lz("inventory", *flags, "--json"))))
    program = Path(sys.executable).with_name("ansible-inventory")
    taken = subprocess.run([program, "-i", inventory, "--list"], check=True, capture_output=True, text=True).stdout
    hosts = json.loads(taken)["_meta"]["hostvars"]
    assert {run.plan.regions[region].access.bastion.hostname for region in run.connections} <= set(hosts)


def test_what_next_works_when_pasted(run: Run) -> None:
    """`lz verify` and `lz down`, which are among the lines, have tests of their own here."""
    lines = [line for line in ways_on(run, ENV, Selection()) if not line.startswith(("lz verify", "lz down"))]
    assert len(lines) > len(run.connections)
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", callable_here(line)], check=False, capture_output=True, text=True, cwd=CHECKOUT, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"


# Where services keep limits by project: no list of theirs tells of those whose project is gone.
LIMITS = {
    "nova_api": "select project_id from nova_api.quotas",
    "neutron": "select project_id from neutron.quotas",
    "cinder": "select project_id from cinder.quotas where deleted = 0",
    "designate": "select tenant_id from designate.quotas",
}


def limits_of(where: Places, region: str) -> set[tuple[str, str]]:
    """Of which projects (by id) a service keeps limits: service and project."""
    machine = machine_of(where, REGIONS[region])
    return {(service, project) for service, query in LIMITS.items() for project in machine.inside("mysql", "-N", "-e", query).split()}


@pytest.fixture(scope="module")
def left_by_others(run: Run, admins: dict[str, Connection]) -> tuple[str, list[str]]:
    """What people left in the first region, made with the plain SDK; the region, and the names of what holds data."""
    region = next(iter(admins))
    admin, plan = admins[region], run.plan.regions[region]
    own = as_machine(run, plan, plan.tenants["edu"].identity.machine_users[0], "lab-edu-main")
    application = next(admin.network.networks(name="lab-edu-application"))
    subnet = next(admin.network.subnets(name="lab-edu-application-v4"))
    group = own.network.create_security_group(name="left-behind")
    parent = own.network.create_port(name="left-port", network_id=application.id, security_group_ids=[group.id])
    several = own.network.create_address_group(name="left-addresses", addresses=["10.0.0.0/16"])
    default = next(own.network.security_groups(name="default", project_id=own.current_project_id))
    own.network.create_security_group_rule(
        security_group_id=default.id, direction="ingress", ether_type="IPv4", remote_address_group_id=several.id
    )
    sub = own.network.create_port(name="left-sub-port", network_id=application.id, security_group_ids=[group.id])
    lane = {"port_id": sub.id, "segmentation_type": "vlan", "segmentation_id": 7}
    own.network.create_trunk(name="left-trunk", port_id=parent.id, sub_ports=[lane])
    own.compute.create_server(
        name="left-server",
        image_id=next(own.image.images(name="debian-13")).id,
        flavor_id=next(flavor.id for flavor in own.compute.flavors() if flavor.name == "SCS-1L-1-5"),
        networks=[{"uuid": application.id}],
    )
    volume = own.block_storage.create_volume(name="left-volume", size=1)
    own.block_storage.wait_for_status(volume, "available", wait=120)
    snapshot = own.block_storage.create_snapshot(name="left-snapshot", volume_id=volume.id)
    own.block_storage.wait_for_status(snapshot, "available", wait=120)
    own.block_storage.create_transfer(volume_id=volume.id, name="left-transfer")
    own.object_store.create_container("left-container")
    own.object_store.upload_object("left-container", "paper", data=b"paper")
    own.key_manager.create_secret(name="left-secret", payload="seal", payload_content_type="text/plain")
    own.compute.create_server_group(name="left-group", policy="anti-affinity")
    zone = next(zone for zone in admin.dns.zones(all_projects=True) if zone.name.startswith("edu."))
    for name, kind, content in (("left", "A", "203.0.113.1"), ("left-sub", "NS", "ns.elsewhere.example.")):
        record = {"name": f"{name}.{zone.name}", "type": kind, "records": [content]}
        admin.dns.post(f"/zones/{zone.id}/recordsets", json=record, headers=ALL_PROJECTS).raise_for_status()
    for below, body in (("shares", {"target_project_id": admin.current_project_id}), ("tasks/transfer_requests", {})):
        admin.dns.post(f"/zones/{zone.id}/{below}", json=body, headers=ALL_PROJECTS).raise_for_status()
    own.load_balancer.create_load_balancer(name="left-balancer", vip_subnet_id=subnet.id, provider="ovn")
    router = admin.network.create_router(name="left-router")
    leg = admin.network.create_port(network_id=application.id, project_id=admin.current_project_id)
    admin.network.add_interface_to_router(router, port=leg.id)
    project = keystone(admin).create_project(name="left-project", domain_id=next(keystone(admin).domains(name="lab-edu")).id)
    admin.network.create_network(name="left-network", project_id=project.id)
    return region, ["left-volume", "left-snapshot", "left-container", "left-secret"]


def test_down_takes_nothing_while_data_is_not_named_or_others_are_not_spoken_for(run: Run, left_by_others: tuple[str, list[str]]) -> None:
    region, data_names = left_by_others
    before = run.standing(Selection())
    words = ["down", "--env", ENV, "--region", region, "--yes"]
    done = lz(*words, "--yes-delete-others")
    assert done.returncode == 2
    for name in data_names:
        assert f"{name} holds data" in done.stderr
    done = lz(*words, *(word for name in data_names for word in ("--yes-delete-data", name)))
    assert done.returncode == 2
    for what in (
        "instance left-server",
        "port left-port",
        "trunk left-trunk",
        "address group left-addresses",
        "security group left-behind",
        "load balancer left-balancer",
        "project left-project",
        "network left-network",
        "router interface",
        "server group left-group",
        "DNS record left.edu.",
        "DNS record left-sub.edu.",
        "DNS zone share edu.",
        "DNS zone transfer edu.",
    ):
        assert what in done.stderr
    assert run.standing(Selection()) == before


def test_down_leaves_nothing(
    run: Run,
    before: dict[str, census.Census],
    flags: list[str],
    admins: dict[str, Connection],
    left_by_others: tuple[str, list[str]],
    where: Places,
) -> None:
    region, data_names = left_by_others
    projects = [(key.region, project) for key in run.standing(Selection()) for project in run.stacks.projects(key)]
    assert {READERS[OBJECTS](admins[name], project)["bytes"] for name, project in projects} > {0}
    removed = {project for _, project in projects}
    for name in admins:
        assert {service for service, project in limits_of(where, name) if project in removed} == set(LIMITS)
    data(
        lz("down", *flags, "--yes", "--yes-delete-others", *(word for name in data_names for word in ("--yes-delete-data", name)), "--json")
    )
    for router in admins[region].network.routers(name="left-router"):  # of the administrator's own project: only its way in is ours
        admins[region].network.delete_router(router)
    for name, admin in admins.items():
        assert census.differences(before[name], census.take(admin)) == []
        assert list(run.stacks.home.credentials(name).glob("*.yaml")) == []
    assert {READERS[OBJECTS](admins[name], project)["bytes"] for name, project in projects} == {-1}
    assert [limit for name in admins for limit in limits_of(where, name) if limit[1] in removed] == []
    stores = [admins[name].object_store.head(account_of(admins[name], project)) for name, project in projects]
    assert {answer.headers.get("X-Account-Container-Count", "0") for answer in stores} == {"0"}
    query = "select count(*) from barbican.secrets where name = 'left-secret' and deleted = 0"
    assert machine_of(where, REGIONS[region]).inside("mysql", "-N", "-e", query).strip() == "0"
    assert run.standing(Selection(regions=frozenset(admins))) == []
    assert run.stacks.home.known_hosts.read_text() == ""

"""What a container cannot show: a hardened machine with partitions, one of them encrypted, on a kernel of its own, booted twice.

Its disks are those of a machine that was partitioned when it was installed. The first boot encrypts the partition of /home;
the second is the reboot that keeps all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from foundation.places import cache
from foundation.process import run
from foundation.progress import Progress
from landing_zone.effective import OPTIONS, in_force
from landing_zone.image import base, contents, tree
from tests.nodes import kernel, trees

PARTITION_MIB = 512
ENCRYPTED = "/home"
# By mount point, in the order in which they are mounted.
PARTITIONS = {ENCRYPTED: "home", "/var": "var", "/var/tmp": "vartmp", "/var/log": "varlog", "/var/log/audit": "audit"}
LACKS = OPTIONS - {"noexec"}
WANTED = {point: LACKS if point in {"/home", "/var"} else OPTIONS for point in (*PARTITIONS, "/tmp", "/dev/shm")}
NO_PROGRAMS = [point for point, options in WANTED.items() if "noexec" in options]
CHRONY = "/proc/$(pidof chronyd | cut -d' ' -f1)/attr/current"
QUESTIONS = {
    "mounts": "findmnt --raw --noheadings --output TARGET,SOURCE,OPTIONS",
    "parameters": "sysctl --all",
    "filter": "nft --stateless list ruleset",
    "failed": "systemctl list-units --state=failed --plain --no-legend",
    "rules": "auditctl -l",
    "event": "touch /etc/group; for i in $(seq 40); do"
    " ausearch --input-logs --key audit_rules_usergroup_modification | grep /etc/group && break; sleep 0.5; done",
    "profile": f"cat {CHRONY}",
    "confined": f"aa-exec --profile=$(cut -d' ' -f1 {CHRONY}) -- cat /etc/shadow",
    "programs": f"for at in {' '.join(NO_PROGRAMS)}; do cp /bin/true $at/program; $at/program && echo $at ran; rm $at/program; done",
    "encrypted": "cryptsetup status home",
}
ENCRYPT = f"""
[ -e /etc/crypttab ] && exit
(umask 077; head -c 64 /dev/urandom > /etc/home.key)
part=/dev/disk/by-partlabel/home
cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $part /etc/home.key
cryptsetup open --key-file /etc/home.key $part home
mke2fs -q -t ext4 /dev/mapper/home
cryptsetup close home
echo "home $part /etc/home.key luks" > /etc/crypttab
echo "/dev/mapper/home {ENCRYPTED} ext4 defaults 0 2" >> /etc/fstab
"""
SCRIPT = "\n".join(["boot=$(ls | wc -l); mkdir $boot; cd $boot", *(f"({ask}) > {name} 2>&1" for name, ask in QUESTIONS.items()), ENCRYPT])

pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Machine:
    """What a machine answered at its first and at its second boot, by question; parameters: of the kernel, that its file wants."""

    first: Mapping[str, str]
    second: Mapping[str, str]
    parameters: Mapping[str, str]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Hardened as the golden image is, while every partition is mounted."""
    start, progress, home = base.ensure(Progress()), Progress(), tmp_path_factory.mktemp("machine")
    with tree.copy(start, cache("nodes", "run") / "machine", above=trees.encryption(start, progress)) as root:
        second = mounted(root, home / "second")
        # The first record of AIDE takes minutes in the background, and is not what is looked at.
        tree.harden(root, {"node_baseline_integrity_enabled": False}, contents.packages_date(start), home / "log", progress.say)
        with (root / "etc/fstab").open("a") as table:
            table.writelines(f"LABEL={name} {point} ext4 defaults 0 2\n" for point, name in PARTITIONS.items() if point != ENCRYPTED)
        (root / "etc/cloud/cloud-init.disabled").touch()
        parameters = in_force((root / "etc/sysctl.d/zz-node-baseline.conf").read_text())
        answers = kernel.ask(root, home, SCRIPT, progress, boots=2, second=second)
    before, after = ({file.name: file.read_text() for file in (answers / boot).iterdir()} for boot in ("0", "1"))
    return Machine(before, after, parameters)


def mounted(root: Path, made: Path) -> Path:
    """A disk with the partitions, each with its part of the tree `root`, and mounted there."""
    with made.open("wb") as stream:
        os.truncate(stream.fileno(), (PARTITION_MIB * len(PARTITIONS) + 2) << 20)
    lines = [f"size={PARTITION_MIB}MiB, name={name}" for name in PARTITIONS.values()]
    run(["sfdisk", "--quiet", made], stdin="\n".join(["label: gpt", *lines]))
    for number, (point, name) in enumerate(PARTITIONS.items()):
        place, start = root / point.lstrip("/"), (1 + number * PARTITION_MIB) << 20
        place.mkdir(exist_ok=True)
        # Twice -F: other parts of the file are mounted already.
        words: list[str | Path] = ["mke2fs", "-q", "-F", "-F", "-t", "ext4", "-L", name, "-E", f"offset={start}", "-d", place]
        run([*words, made, f"{PARTITION_MIB}M"])
        run(["mount", "-o", f"loop,offset={start},sizelimit={PARTITION_MIB << 20}", made, place])
    return made


def mounts(answers: Mapping[str, str]) -> dict[str, tuple[str, set[str]]]:
    """What is mounted where: by mount point its device and its options."""
    lines = (line.split() for line in answers["mounts"].splitlines())
    return {point: (source, set(options.split(","))) for point, source, options in lines}


def test_kernel_parameters_are_in_force(machine: Machine) -> None:
    effective = in_force(machine.second["parameters"])
    # What begins with a dash is for kernels that have it; this one compiles no BPF.
    wanted = {key: value for key, value in machine.parameters.items() if re.match("[a-z]", key) and key != "net.core.bpf_jit_harden"}
    wanted["kernel.sysrq"] = str(int(wanted["kernel.sysrq"], 0))
    assert {"kernel.kptr_restrict", "kernel.yama.ptrace_scope", "fs.suid_dumpable"} <= set(wanted)
    assert {key: effective.get(key) for key in wanted if effective.get(key) != wanted[key]} == {}


def test_an_audit_rule_catches_an_event(machine: Machine) -> None:
    assert len(re.findall("^-[aw] ", machine.second["rules"], re.MULTILINE)) > 50
    assert 'name="/etc/group"' in machine.second["event"]


def test_a_confined_service_reads_no_more_than_its_profile_lets_it(machine: Machine) -> None:
    assert machine.second["profile"].strip().endswith("(enforce)")
    assert "Permission denied" in machine.second["confined"]
    assert "root:" not in machine.second["confined"]


def test_the_packet_filter_stands_after_boot(machine: Machine) -> None:
    assert "policy drop" in machine.second["filter"]


def test_partitions_are_mounted_with_their_options(machine: Machine) -> None:
    found = mounts(machine.second)
    assert {point: options - found[point][1] for point, options in WANTED.items() if not options <= found[point][1]} == {}
    devices = [found[point][0] for point in ("/", *PARTITIONS)]
    assert len(set(devices)) == len(devices)


def test_no_program_runs_from_where_anybody_may_write(machine: Machine) -> None:
    assert machine.second["programs"].count("Permission denied") == len(NO_PROGRAMS)
    assert "ran" not in machine.second["programs"]


def test_an_encrypted_partition_is_opened_at_boot(machine: Machine) -> None:
    assert ENCRYPTED not in mounts(machine.first)
    assert mounts(machine.second)[ENCRYPTED][0] == "/dev/mapper/home"
    assert re.search(r"type: +LUKS2", machine.second["encrypted"])
    assert re.search(r"cipher: +aes-xts-plain64", machine.second["encrypted"])


def test_a_reboot_keeps_all_of_it(machine: Machine) -> None:
    assert {machine.first["failed"], machine.second["failed"]} == {""}
    for answer in ("filter", "rules", "profile", "programs"):
        assert machine.first[answer] == machine.second[answer]
    before, after = in_force(machine.first["parameters"]), in_force(machine.second["parameters"])
    assert {key: (before[key], after[key]) for key in machine.parameters if before.get(key) != after.get(key)} == {}
    assert {point: mount for point, mount in mounts(machine.second).items() if point in PARTITIONS and point != ENCRYPTED} == {
        point: mount for point, mount in mounts(machine.first).items() if point in PARTITIONS
    }

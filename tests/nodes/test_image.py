"""The golden image is made of a tree that two builds give alike, hardened, and nobody's in particular."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.places import cache
from foundation.process import run
from foundation.progress import Progress
from landing_zone.image import base, build, contents, disk, tree
from tests.nodes.boot import Way, emulated_boot, first_boot

QUESTIONS = """
cloud-init status
systemctl is-active ssh nftables chrony systemd-networkd
systemctl --failed --no-legend | sed 's/^/failed: /'
cat /home/debian/.ssh/authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /root/key
cat /root/key.pub >> /home/debian/.ssh/authorized_keys
echo "golden $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)" > /root/pinned
pinned="-o BatchMode=yes -o HostKeyAlias=golden -o UserKnownHostsFile=/root/pinned"
echo "signed in: $(ssh -i /root/key $pinned debian@127.0.0.1 sudo -n id -un)"
echo "host keys: $(ls /etc/ssh/ssh_host_*_key | wc -l)"
echo "MiB: $(df -m --output=size / | tail -1)"
echo "name: $(hostname)"
echo "machine: $(wc -c < /etc/machine-id)"
echo "rules: $(nft list ruleset | grep -c 'policy drop')"
echo "martians: $(sysctl -n net.ipv4.conf.all.log_martians)"
"""
ABOUT_THE_START = """
echo "answer firmware: $([ -d /sys/firmware/efi ] && echo UEFI || echo BIOS)"
echo "answer arguments: $(cat /proc/cmdline)"
echo "answer MiB: $(df -m --output=size / | tail -1)"
echo "answer failed: $(systemctl --failed --no-legend | wc -l)"
echo "answer name: $(hostname)"
update-grub 2>/dev/null
echo "answer updated: $(grep -c "search .*--fs-uuid .*$(findmnt -no UUID /)" /boot/grub/grub.cfg)"
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, Path]]:
    """Digests of two trees made one after the other, and where the second stands."""
    progress, log = Progress(), tmp_path_factory.mktemp("image") / "log"
    start = base.ensure(progress)
    epoch = contents.packages_date(start)
    with tree.copy(start, cache("nodes", "run") / "image1") as root:
        first = build.make_tree("base", root, epoch, log, progress.say)
    with tree.copy(start, cache("nodes", "run") / "image2") as root:
        yield first, build.make_tree("base", root, epoch, log, progress.say), root


def test_two_builds_give_the_same_tree(trees: tuple[str, str, Path]) -> None:
    first, second, _ = trees
    assert first == second


def test_everybody_may_enter_it(trees: tuple[str, str, Path]) -> None:
    """A look at the homes of people, where there are none, must not end at `/`."""
    assert f"{trees[2].stat().st_mode:o}" == "40755"


def test_the_tree_is_hardened_and_its_settings_are_good(trees: tuple[str, str, Path]) -> None:
    root = trees[2]
    run(["chroot", root, "/usr/sbin/visudo", "-c"])
    assert "policy drop" in (root / "etc/nftables.conf").read_text()
    enabled = run(["systemctl", f"--root={root}", "is-enabled", "ssh", "nftables", "auditd", "chrony", "systemd-networkd"])
    assert set(enabled.split()) == {"enabled"}
    mounted = [line.split()[1] for line in (root / "etc/fstab").read_text().splitlines()]
    assert mounted == ["/", "/tmp", "/dev/shm"]


def test_the_tree_is_nobodys(trees: tuple[str, str, Path]) -> None:
    root = trees[2]
    assert not list((root / "etc/ssh").glob("ssh_host_*"))
    assert (root / "etc/machine-id").read_text() == ""
    assert (root / "etc/resolv.conf").is_symlink()
    assert not [path for path in (root / "var/log").rglob("*") if path.is_file()]
    assert not (root / "root/.ansible").exists()
    assert not (root / "usr/sbin/policy-rc.d").exists()


def test_an_instance_of_it_lets_its_user_in(tmp_path: Path) -> None:
    image = build.build("base", Progress())
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "admin", "-f", tmp_path / "key"])
    key = (tmp_path / "key.pub").read_text().strip()
    said = first_boot(image, tmp_path, key, QUESTIONS)
    assert said.split("\n")[1:5] == ["active"] * 4
    assert "failed: " not in said
    facts = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    assert key in said
    assert facts["signed in"] == "root"
    assert facts["host keys"] == "3"
    assert int(facts["MiB"]) > 3500
    assert facts["name"] == "golden"
    assert facts["machine"] == "33"
    assert int(facts["rules"]) >= 1
    assert facts["martians"] == "1"


@pytest.mark.parametrize("firmware", ["BIOS", "UEFI"])
def test_it_starts_by_its_own_boot_loader(firmware: Way) -> None:
    said = emulated_boot(build.build("base", Progress()), firmware, ABOUT_THE_START)
    assert said["firmware"] == firmware
    assert said["arguments"].startswith("BOOT_IMAGE=/boot/vmlinuz-")
    assert {"root=LABEL=root", "console=ttyS0", "audit=1"} <= set(said["arguments"].split())
    assert int(said["MiB"]) > 3500
    assert (said["failed"], said["name"]) == ("0", "golden")
    assert int(said["updated"]) >= 1


def test_it_starts_by_its_kernel_and_initrd_from_outside() -> None:
    image = build.build("base", Progress())
    said = emulated_boot(image, "kernel", ABOUT_THE_START)
    assert said["arguments"] == image.properties["os_command_line"]
    assert int(said["MiB"]) > 3500
    assert (said["failed"], said["name"]) == ("0", "golden")


def test_what_lies_beside_the_disk_is_of_it() -> None:
    image = build.build("base", Progress())
    checked = run(["sh", "-c", "cd $0 && sha256sum --check SHA256SUMS", image.folder])
    assert checked.splitlines() == ["disk.qcow2: OK", "vmlinuz: OK", "initrd: OK"]
    bill = json.loads((image.folder / "sbom.cdx.json").read_text())
    named = {each["name"]: each["version"] for each in bill["components"]}
    assert {"linux-image-cloud-amd64", "openssh-server", "cloud-init", "auditd"} <= named.keys()
    assert (len(bill["components"]), bill["metadata"]["component"]["version"]) == (image.packages, image.tree)


def test_what_uefi_starts_from_is_made_of_the_tree_alone(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        raw = tmp_path / name
        with raw.open("wb") as stream:
            stream.truncate(disk.ROOT.start << 20)
        disk.write_esp(raw, b"GRUB", "ab" * 32, 1_700_000_000, tmp_path / "log")
        made.append(raw.read_bytes())
    assert made[0] == made[1]
    assert run(["mtype", "-i", f"{tmp_path / 'a'}@@{disk.ESP.start << 20}", "::/EFI/BOOT/BOOTX64.EFI"]) == "GRUB"

"""The golden image: what a tree's digest sees, what is cleaned, what lies beside the disk, and what is refused."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from foundation.errors import InputError
from foundation.progress import Progress
from lab import debian
from landing_zone.cli import main
from landing_zone.image import base, build, contents, disk, sbom
from tests.unit.image.test_image import MANDATORY

EPOCH = 1_700_000_000
STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib (1:1.3)
Version: 1:1.3.dfsg+really1.3.1-1+b1
Description: compression library
 Package: none, a line that goes on

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: adduser
Status: install ok installed
Architecture: all
Version: 3.152
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree as a build leaves it."""
    root = tmp_path / "tree"
    for name, text in {
        "etc/machine-id": "0123\n",
        "etc/shadow": "root:!*:20785:0:99999:7:::\n_chrony:!:19000::::::\nnobody:*:::::::\n",
        "etc/shadow-": "",
        "etc/ssh/ssh_host_ed25519_key": "secret",
        "etc/ssh/sshd_config": "Port 22\n",
        "etc/.resolv.conf.systemd-resolved.bak": "nameserver of the machine",
        "etc/hostname": "of the build",
        "root/.bash_history": "secret",
        "usr/sbin/policy-rc.d": "exit 101",
        "var/lib/dbus/machine-id": "0123",
        "var/lib/systemd/random-seed": "secret",
        "var/cache/debconf/passwords.dat": "secret",
        "var/tmp/draft": "secret",
        "tmp/draft": "secret",
        "var/log/apt/history.log": "installed",
        "var/lib/apt/lists/mirror_Packages": "Package: x",
        "var/lib/dpkg/info/a.md5sums": "",
        "var/lib/dpkg/info/b.md5sums": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "bin").symlink_to("usr/bin")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("of this machine")
    for link in ("root/.ansible", "var/log/elsewhere"):
        (root / link).symlink_to(tmp_path / "outside")
    return root


def test_the_digest_sees_names_modes_contents_and_links(tree: Path) -> None:
    seen = [contents.content_digest(tree)]
    (tree / "etc/ssh/sshd_config").write_text("Port 23\n")
    seen.append(contents.content_digest(tree))
    (tree / "etc/ssh/sshd_config").chmod(0o600)
    seen.append(contents.content_digest(tree))
    (tree / "etc/ssh/sshd_config").rename(tree / "etc/ssh/sshd_confiG")
    seen.append(contents.content_digest(tree))
    (tree / "bin").unlink()
    (tree / "bin").symlink_to("usr/sbin")
    seen.append(contents.content_digest(tree))
    (tree / "empty").mkdir()
    seen.append(contents.content_digest(tree))
    assert len(set(seen)) == len(seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="an image is made as root: nobody else gives files to others")
def test_the_digest_sees_owners_and_capabilities(tree: Path) -> None:
    file = tree / "etc/ssh/sshd_config"
    seen = [contents.content_digest(tree)]
    os.chown(file, 1, -1)
    seen.append(contents.content_digest(tree))
    os.chown(file, -1, 1)
    seen.append(contents.content_digest(tree))
    os.setxattr(file, contents.CAPABILITIES, bytes.fromhex("0100000200040000000000000000000000000000"))  # cap_net_bind_service=ep
    seen.append(contents.content_digest(tree))
    assert len(set(seen)) == len(seen)


def test_the_digest_does_not_see_times(tree: Path) -> None:
    before = contents.content_digest(tree)
    os.utime(tree / "etc/shadow", (1, 1))
    assert contents.content_digest(tree) == before


def test_nothing_is_newer_than_the_date_of_the_image(tree: Path) -> None:
    os.utime(tree / "etc/shadow", (EPOCH - 5, EPOCH - 5))
    contents.clamp(tree, EPOCH)
    times = {path.relative_to(tree).as_posix(): path.lstat().st_mtime for path in contents.walk(tree)}
    assert times.pop("etc/shadow") == EPOCH - 5
    assert set(times.values()) == {EPOCH}
    assert {".", "bin"} <= set(times)


def test_identity_and_traces_are_cleaned_away(tree: Path) -> None:
    contents.clean(tree, EPOCH)
    left = {path.relative_to(tree).as_posix() for path in contents.walk(tree) if not path.is_dir()}
    assert left == {
        "bin", "etc/.updated", "etc/machine-id", "etc/shadow", "etc/ssh/sshd_config",
        "var/.updated", "var/lib/dpkg/info/a.md5sums", "var/lib/dpkg/info/b.md5sums",
    }  # fmt: skip
    assert (tree / "etc/machine-id").read_text() == ""
    assert (tree / "var/log/apt").is_dir()
    assert (tree.parent / "outside/file").exists()


def test_no_password_is_younger_than_the_image(tree: Path) -> None:
    contents.clean(tree, EPOCH)
    days = [line.split(":")[2] for line in (tree / "etc/shadow").read_text().splitlines()]
    assert days == [str(EPOCH // 86_400), "19000", ""]


def test_its_date_is_that_of_the_newest_package(tree: Path) -> None:
    for name, date in (("a", EPOCH), ("b", EPOCH - 100)):
        os.utime(tree / f"var/lib/dpkg/info/{name}.md5sums", (date, date))
    assert contents.packages_date(tree) == EPOCH


def test_the_bill_has_every_installed_package_and_no_other() -> None:
    found = sbom.packages(STATUS)
    assert [(each.name, each.source) for each in found] == [("adduser", "adduser"), ("zlib1g", "zlib")]
    assert found[1].purl == "pkg:deb/debian/zlib1g@1%3A1.3.dfsg%2Breally1.3.1-1%2Bb1?arch=amd64&distro=debian-13"


def test_the_bill_is_cyclonedx_and_the_same_for_the_same_tree() -> None:
    text = sbom.bill("debian-13-base", "ab" * 32, EPOCH, sbom.packages(STATUS))
    assert text == sbom.bill("debian-13-base", "ab" * 32, EPOCH, sbom.packages(STATUS))
    bill = json.loads(text)
    assert (bill["bomFormat"], bill["specVersion"], bill["metadata"]["timestamp"]) == ("CycloneDX", "1.6", "2023-11-14T22:13:20Z")
    assert len({each["bom-ref"] for each in bill["components"]}) == 2
    assert json.loads(sbom.bill("x", "cd" * 32, EPOCH, []))["serialNumber"] != bill["serialNumber"]


def test_the_kernel_gets_what_the_role_wrote() -> None:
    text = '# GRUB_CMDLINE_LINUX="no"\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="apparmor=1 audit=1"\n'
    arguments = build.kernel_arguments(text)
    assert arguments == "apparmor=1 audit=1 quiet"
    properties = build.properties("base", "2026-01-31", arguments, "ab")
    assert properties["os_command_line"] == f"{disk.root_argument('ab')} rw console=ttyS0 apparmor=1 audit=1 quiet"
    assert set(properties) >= MANDATORY
    assert properties["os_purpose"] == "custom", "a cloud has one public image of a release that is for everything"


def test_what_is_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.delattr(base, "ensure")  # when the refusal is broken, the test must not make an image
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(InputError, match="no node profile 'basic'"):
        build.build("basic", Progress())
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(InputError, match="e2fsprogs fdisk mmdebstrap mtools qemu-utils"):
        build.build("base", Progress())
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(InputError, match="as root"):
        build.build("base", Progress())


def test_packages_date_what_they_write_as_of_the_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without it the day of the making is in /etc/shadow, in the initrd and in every compiled Python file."""
    dates = []

    def made(command: list[str], *, env: dict[str, str], **_: object) -> str:
        Path(command[-1]).mkdir()
        dates.append(env[contents.EPOCH])
        return ""

    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.delenv("LZ_DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(debian, "run", made)
    debian.build_tree(tmp_path / "tree", ["sudo"], tmp_path / "log", print)
    assert dates == [debian.EPOCH]


@pytest.mark.timeout(20)
def test_a_tree_that_another_run_made_meanwhile_is_not_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It may stand on that tree already. Who is waited for is said."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(debian, "run", lambda *_, **__: pytest.fail("it was made again"))
    tree, said = tmp_path / "tree", list[str]()
    held, waited_for = threading.Event(), threading.Event()

    def other() -> None:
        with debian.archives(print):
            held.set()
            waited_for.wait(10)
            tree.mkdir()

    def say(text: str) -> None:
        said.append(text)
        waited_for.set()

    thread = threading.Thread(target=other)
    thread.start()
    held.wait()
    debian.build_tree(tree, ["sudo"], tmp_path / "log", say)
    thread.join()
    assert [text.split(":")[0] for text in said] == [f"a build from Debian packages is already under way (process {os.getpid()})"]


def test_packages_of_another_mirror_are_another_tree(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(debian, "build_tree", lambda target, *_, **__: target.mkdir())
    trees = set()
    for mirror in ("", "http://mirror.example.org/debian/20261101T000000Z", "http://mirror.example.org/debian/20261102T000000Z", ""):
        monkeypatch.setenv(debian.MIRROR, mirror)
        trees.add(base.ensure(Progress()))
    assert len(trees) == 3


def test_the_date_comes_from_the_variable_or_is_refused(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12")
    assert build.date_of(tree) == 12
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="no number of seconds"):
        build.date_of(tree)


def kept(cache: Path, key: str, name: str, day: str, made: int) -> None:
    """An image in the cache, made on that day. key: of what it is made from. made: when, in seconds."""
    folder = cache / "golden" / key
    folder.mkdir(parents=True)
    (folder / "disk.qcow2").write_bytes(b"x" * (3 << 20))
    record = {
        "name": name, "profile": "base", "os_distro": "debian", "os_version": "13", "built": day, "epoch": 1, "tree": "ab" * 32,
        "sha256": "cd" * 32, "bytes": 3 << 20, "packages": 2, "min_disk": 5, "min_ram": 512, "properties": {},
    }  # fmt: skip
    (folder / "image.json").write_text(json.dumps(record))
    os.utime(folder / "image.json", (made, made))


def test_what_is_built_is_listed_the_newest_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    assert main(["image", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    kept(tmp_path, "old", "old", "2026-01-01", 1)
    kept(tmp_path, "new", "new", "2026-02-01", 2)
    (tmp_path / "golden" / "half.part").mkdir()
    assert main(["image", "list", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["new", "old"]
    assert main(["image", "list"]) == 0
    first = capsys.readouterr().out.splitlines()[1]
    assert first.split()[:5] == ["new", "2026-02-01", ("ab" * 32)[:16], ("cd" * 32)[:16], "3"]


def test_what_was_asked_for_last_comes_first_also_when_it_was_made_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else a role that was put back to what it was is not what is published."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "_require", lambda _: None)
    monkeypatch.setattr(base, "ensure", lambda _: tmp_path / "base")
    kept(tmp_path, build._key("base", tmp_path / "base", EPOCH), "ours", "2026-01-01", 1)
    kept(tmp_path, "of another role", "another", "2026-02-01", 2)
    assert build.build("base", Progress(), EPOCH).name == "ours"
    assert [image.name for image in build.every()] == ["ours", "another"]

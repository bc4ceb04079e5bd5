"""Which way instances run, and what goes into the machine for it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.errors import InputError
from foundation.places import CHECKOUT
from lab import region
from lab.compute import choose, install, kvm


@pytest.mark.parametrize(
    ("works", "wanted", "chosen"), [(True, "auto", "kvm"), (False, "auto", "uml"), (True, "uml", "uml"), (True, "qemu", "qemu")]
)
def test_kvm_only_where_it_works(works: bool, wanted: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "kvm_problem", lambda: None if works else "broken")
    assert choose.choose(wanted) == chosen


def test_kvm_on_request_that_does_not_work_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "kvm_problem", lambda: "exit reason 17")
    with pytest.raises(InputError, match="exit reason 17"):
        choose.choose("kvm")


def test_another_word_is_refused() -> None:
    with pytest.raises(InputError, match="no compute kind"):
        choose.choose("xen")


def test_an_attempt_that_hangs_or_dies_is_no_kvm(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("x", 10)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "did not come back" in str(choose.kvm_problem())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], -11, "", ""))
    assert "-11" in str(choose.kvm_problem())


def test_a_missing_device_is_named(tmp_path: Path) -> None:
    assert "No such file" in str(kvm.problem(tmp_path / "kvm"))
    (tmp_path / "kvm").touch()
    assert "Inappropriate ioctl" in str(kvm.problem(tmp_path / "kvm"))


def test_every_kind_says_what_it_cannot_show_as_its_page_does() -> None:
    page = (CHECKOUT / "docs/compute.md").read_text(encoding="utf-8").partition("### What it cannot show")[2].partition("\n## ")[0].lower()
    assert page
    assert choose.cannot_show("kvm") == ""
    for kind in ("uml", "qemu"):
        assert choose.CANNOT_SHOW[kind]
        assert [what for what in choose.CANNOT_SHOW[kind] if what.lower() not in page] == []
        assert choose.cannot_show(kind) == ", ".join(choose.CANNOT_SHOW[kind])


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    (tmp_path / "linux").write_bytes(b"kernel")
    return tmp_path / "linux"


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


def test_uml_brings_driver_kernel_and_settings(tmp_path: Path, kernel: Path) -> None:
    root = tmp_path / "root"
    install.install(root, "uml")
    install.install_kernel(root, kernel)
    assert f"{install.NOVA}/driver.py" in files(root)
    assert (root / install.PROGRAMS / "linux").stat().st_mode & 0o111
    assert (root / install.PROGRAMS / "launch").stat().st_mode & 0o111
    assert "compute_driver = uml.UMLDriver" in (root / "etc/nova/nova-compute.conf").read_text()
    assert (root / install.UNITS / "libvirtd.service").readlink() == Path("/dev/null")


def test_another_kind_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    root = tmp_path / "root"
    install.install(root, "uml")
    install.install(root, "qemu")
    assert not (root / install.NOVA).exists()
    assert not (root / install.UNITS / "nova-compute.service.d/uml.conf").exists()
    assert not (root / install.UNITS / "libvirtd.service").is_symlink()
    text = (root / "etc/nova/nova-compute.conf").read_text()
    assert "virt_type = qemu" in text
    assert "libvirt.LibvirtDriver" in text


def test_kvm_is_lent_to_the_machine_and_shown_to_its_guests_as_it_is(tmp_path: Path) -> None:
    install.install(tmp_path, "kvm")
    text = (tmp_path / "etc/nova/nova-compute.conf").read_text()
    assert "virt_type = kvm" in text
    assert "cpu_mode = host-passthrough" in text
    lent = {kind: region.devices(SimpleNamespace(compute=kind)) for kind in choose.KINDS}  # type: ignore[arg-type]
    assert lent == {"kvm": ("/dev/kvm",), "uml": (), "qemu": ()}


def test_nothing_but_the_drivers_own_modules_is_imported_from_the_checkout(tmp_path: Path) -> None:
    """What is installed must work where this project is not."""
    install.install(tmp_path / "root", "uml")
    for file in (tmp_path / "root" / install.NOVA).glob("*.py"):
        assert "from lab" not in file.read_text()
        assert "from foundation" not in file.read_text()

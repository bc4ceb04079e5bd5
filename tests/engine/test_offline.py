"""A machine without a network: a fresh copy is installed from a bundle, the engine in it works, and a lab has what it is made of."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from foundation.progress import Progress
from lab import debian
from tests.support.sealed import Sealed, sealed
from tools import bundle, host

PREVIEW = """
import os
from tools import engine
os.environ.update(engine.environment())
from pulumi import automation
import pulumi
here = automation.LocalWorkspaceOptions(work_dir=os.environ["WORK"])
made = automation.create_or_select_stack("test", project_name="offline", program=lambda: pulumi.export("answer", 42), opts=here)
print(made.up().outputs["answer"].value)
"""
LAYERS = """
from foundation.progress import Progress
from lab import image, trees
from lab.compute import kernel
from lab.settings import places
progress = Progress()
print(trees.ensure_base(places(), progress), image.build(progress).disk, kernel.build(progress).path)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bundle.Made:
    return bundle.make(tmp_path_factory.mktemp("bundle") / "bundle.tar.gz", Progress())


@pytest.mark.timeout(600)
def test_the_bill_of_materials_names_every_package_and_module(made: bundle.Made) -> None:
    with tarfile.open(made.path) as archive:
        stream = archive.extractfile("bom.cdx.json")
        assert stream
        bill = json.load(stream)
        wheels = [name for name in archive.getnames() if name.endswith(".whl")]
    known = {component.get("purl") for component in bill["components"]}
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert "pkg:pypi/pulumi@3.259.0" in known
    assert len([purl for purl in known if purl]) == len(wheels)
    (plugin,) = (component for component in bill["components"] if component["name"] == "pulumi-resource-openstack")
    assert "pkg:golang/github.com/gophercloud/gophercloud/v2" in {module["purl"].partition("@")[0] for module in plugin["components"]}


@pytest.mark.timeout(600)
def test_a_fresh_copy_is_installed_with_the_network_cut(made: bundle.Made, tmp_path: Path) -> None:
    state = {"PULUMI_BACKEND_URL": f"file://{tmp_path}", "PULUMI_CONFIG_PASSPHRASE": "of a test", "WORK": str(tmp_path / "work")}
    machine = sealed(tmp_path, **state)
    (tmp_path / "work").mkdir()
    refused = machine.run("tools/install")
    assert refused.returncode != 0
    assert "tools/install --from BUNDLE" in refused.stderr
    done = machine.run("tools/install", "--from", made.path, "--sha256", made.sha256)
    assert done.returncode == 0, done.stderr
    assert "make up" not in done.stderr
    ran = machine.python(PREVIEW)
    assert ran.stdout.strip() == "42", ran.stderr


@pytest.fixture(scope="module")
def with_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A machine without a network on which a bundle for a lab was installed; some gigabytes, which go when the tests do."""
    folder = tmp_path_factory.mktemp("lab")
    machine = sealed(folder)
    made = bundle.make(folder / "bundle.tar.gz", Progress(), lab=True)
    done = machine.run("tools/install", "--from", made.path, "--sha256", made.sha256)
    assert done.returncode == 0, done.stderr
    assert "-m tools.host && make up" in done.stderr
    machine.variables[debian.MIRROR] = machine.source(debian.SUITE)
    yield machine
    shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_what_a_lab_is_made_of_comes_from_a_bundle(with_lab: Sealed) -> None:
    made = with_lab.python(LAYERS)
    assert made.returncode == 0, made.stderr
    base, disk, kernel = map(Path, made.stdout.split())
    assert (base / "usr/bin/nova-api").exists()
    assert disk.stat().st_size > 100e6
    assert with_lab.run(kernel, "--version").returncode == 0
    assert all(made.is_relative_to(with_lab.cache) for made in (base, disk, kernel))


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_machine_with_next_to_nothing_on_it_gets_its_packages_from_a_bundle(with_lab: Sealed) -> None:
    release = host.release()
    inside = (
        'mkdir "$1/project" "$1/cache"', f'mount --bind {with_lab.copy} "$1/project"', f'mount --bind {with_lab.cache} "$1/cache"',
        'chroot "$1" env --chdir=/project LZ_CACHE=/cache python3 -m tools.host', 'chroot "$1" make --version',
        'chroot "$1" mmdebstrap --version', 'umount "$1/project" "$1/cache"',
    )  # fmt: skip
    command = ("mmdebstrap", "--variant=minbase", "--include=apt,python3", "--format=null", f"--customize-hook={' && '.join(inside)}")
    done = with_lab.run(*debian.ENDS_WITH_US, *command, release, "-", with_lab.source(release))
    assert done.returncode == 0, done.stderr
    assert "installing on this host: " in done.stderr

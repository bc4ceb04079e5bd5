"""A machine without a network: a fresh copy is installed from a bundle and the engine in it works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from foundation.places import CHECKOUT
from foundation.progress import Progress
from tools import bundle

# a network namespace of its own, with nothing in it but the loopback that every machine has
WITHOUT_NETWORK = ("unshare", "--net", *(() if os.geteuid() == 0 else ("--map-root-user",)))
WITHOUT_NETWORK += ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
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
    copy, work = tmp_path / "copy", tmp_path / "work"
    work.mkdir()
    shutil.copytree(CHECKOUT, copy, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__"))
    env = {
        **os.environ,
        "LZ_CACHE": str(tmp_path / "cache"),
        "PULUMI_HOME": str(tmp_path / "none"),
        "PYTHON": sys.executable,
        "PIP_RETRIES": "0",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_CONFIG_PASSPHRASE": "of a test",
        "WORK": str(work),
    }

    def cut_off(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*WITHOUT_NETWORK, *command], cwd=copy, env=env, text=True, capture_output=True, check=False)

    refused = cut_off("tools/install")
    assert refused.returncode != 0
    assert "tools/install --from BUNDLE" in refused.stderr
    done = cut_off("tools/install", "--from", str(made.path), "--sha256", made.sha256)
    assert done.returncode == 0, done.stderr
    ran = cut_off(".venv/bin/python", "-c", PREVIEW)
    assert ran.stdout.strip() == "42", ran.stderr

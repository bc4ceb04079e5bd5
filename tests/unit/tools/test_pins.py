"""The committed pins agree with each other, and a wrong pins file is named with all that is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from foundation.errors import InputError
from foundation.places import CHECKOUT
from tools import gobuild, pins, tokens
from tools.pins import Artefact


def requirement(name: str) -> str:
    found = re.search(rf"^{name}==(\S+)", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_engine_and_python_packages_have_the_same_versions() -> None:
    known = pins.load().artefacts
    assert requirement("pulumi") == known["pulumi"].version
    assert requirement("pulumi-openstack") == known["openstack"].version


def test_the_go_module_of_the_cli_asks_for_the_pinned_version() -> None:
    cli = pins.load().artefacts["pulumi"]
    assert f"github.com/pulumi/pulumi/pkg/v3 v{cli.version}" in (cli.sources() / "go.mod").read_text()


def test_the_schema_names_the_plugin_and_its_version() -> None:
    plugin = pins.load().artefacts["openstack"]
    assert json.loads((plugin.sources() / "schema.json").read_text()) == {"name": plugin.name, "version": plugin.version}


@pytest.mark.parametrize("name", list(pins.load().artefacts))
def test_every_go_module_is_complete_and_fits_the_pinned_go(name: str) -> None:
    known = pins.load()
    module = (known.artefacts[name].sources() / "go.mod").read_text()
    wanted = re.search(r"^go (\S+)$", module, re.MULTILINE)
    assert wanted
    assert gobuild.version_of(wanted[1]) == gobuild.version_of(known.go.minimum)
    sums = (known.artefacts[name].sources() / "go.sum").read_text()
    direct = re.findall(r"^\s*(\S+) (v\S+)$", module, re.MULTILINE)
    assert direct
    assert [f"{path} {version}" for path, version in direct if f"{path} {version} h1:" not in sums] == []


def test_requirements_are_hashed_and_name_no_index() -> None:
    text = (CHECKOUT / "requirements.txt").read_text()
    assert "http" not in text
    assert "--index" not in text
    pinned = re.findall(r"^\S+==.*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z]", text, re.MULTILINE))


def test_every_requirement_says_what_it_is_for() -> None:
    lines = [line for line in (CHECKOUT / "requirements.in").read_text().splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not line.partition("#")[2].strip()] == []


def test_addresses_are_filled_in(program: Artefact) -> None:
    assert program.release
    assert program.release.address(program.version).endswith(("/greeter-1.2.3-x64.tar.gz", "/greeter-1.2.3-arm64.tar.gz"))


def test_the_folder_changes_with_the_recipe(program: Artefact) -> None:
    before = program.folder()
    assert before.startswith("greeter-1.2.3-")
    (program.sources() / "go.sum").write_text("more\n")
    assert program.folder() != before


def test_the_folder_changes_with_the_pin(program: Artefact) -> None:
    other = program.model_copy(update={"build": program.build.model_copy(update={"tags": ()})})
    assert other.folder() != program.folder()


def test_all_mistakes_in_a_pins_file_are_named(tmp_path: Path) -> None:
    file = tmp_path / "pins.toml"
    file.write_text('[go]\nminimum = 1\ntoolchain = "1.26.7"\nextra = "x"\n[go.sha256]\n[artefacts]\n')
    with pytest.raises(InputError) as caught:
        pins.load(file)
    assert {problem.where for problem in caught.value.problems} == {f"{file}: go.minimum", f"{file}: go.extra"}


def test_a_pins_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pins.toml"
    file.write_text("[go\n")
    with pytest.raises(InputError, match="cannot be read"):
        pins.load(file)


def test_an_unknown_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(InputError, match="riscv64"):
        pins.go_arch()


def test_every_committed_token_is_one_that_the_python_package_asks_for() -> None:
    table = json.loads(tokens.committed().read_text())
    asked = tokens.pulumi_tokens(tokens.package_folder())
    assert set(table["resources"].values()) <= asked.resources
    assert set(table["functions"].values()) <= asked.functions

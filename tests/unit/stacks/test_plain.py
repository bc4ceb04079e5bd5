"""Plain `pulumi up`: Pulumi.yaml is valid, and stacks/__main__.py runs the program that the stack's name asks for."""

from __future__ import annotations

import os
import runpy
from collections.abc import Awaitable, Callable
from pathlib import Path

import pulumi
import pytest
import yaml
from pulumi.automation import ProjectSettings

from foundation.errors import InputError
from foundation.places import CHECKOUT
from landing_zone.engine.clouds import VARIABLE
from stacks.inputs import PROJECT
from tests.support.pulumi_recorder import Recorder, run

CLOUDS = """
clouds:
  lab-north: {auth: {auth_url: https://north.example/v3}}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(CLOUDS)
    monkeypatch.setenv(VARIABLE, str(file))
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LZ_ENV", raising=False)


def plain(stack: str) -> Recorder:
    """Run stacks/__main__.py as the language host does: by path, as __main__, then the entry that it registered."""

    registered: list[Callable[[], Awaitable[None]]] = []

    async def program() -> None:
        runpy.run_path(str(CHECKOUT / "stacks"), run_name="__main__")
        for entry in registered:
            await entry()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pulumi, "get_stack", lambda: stack)
        patched.setattr(pulumi, "run", registered.append)
        made = run(program)
    assert len(registered) == 1
    return made


def test_project_file_is_valid_and_names_what_there_is() -> None:
    content = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())
    project = ProjectSettings(**content)
    assert project.name == PROJECT
    assert (CHECKOUT / str(project.main) / "__main__.py").is_file()
    assert content["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}


def test_the_name_of_the_stack_picks_the_program(settings: None) -> None:
    made = plain("lab.north.identity")
    assert made.one("identity/project", "lab-platform")
    assert made.of("networking/network:") == []
    assert "lab-platform" in made.outputs["ids"]["domain"]
    assert len(made.transforms) == 1  # the guard rails look on


def test_settings_of_lz_env_may_name_the_file(settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_ENV", str(CHECKOUT / "environments" / "lab.yaml"))
    assert plain("lab.north.identity").one("identity/project", "lab-platform")


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("nowhere.north.identity", "no environment 'nowhere'"),
        ("lab.west.identity", "no region 'west'"),
        ("lab.north.roof", "no layer 'roof'"),
        ("lab.north", "is no stack of environment 'lab'"),
        ("lab", "is no stack of environment 'lab'"),
    ],
)
def test_names_that_fit_nothing_are_refused(settings: None, stack: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plain(stack)


def test_nothing_of_the_environment_is_changed(settings: None) -> None:
    before = dict(os.environ)
    plain("lab.north.identity")
    assert {name for name in os.environ if os.environ[name] != before.get(name)} <= {"NO_PROXY", "no_proxy", VARIABLE}

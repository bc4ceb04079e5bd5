"""The hardening role agrees with itself: what is declared, shipped, lifted and documented are the same things."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.places import CHECKOUT
from landing_zone import rolepages

ROLE = CHECKOUT / "roles" / "node_baseline"


def read(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


OPTIONS = read("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
SHIPPED = read("vars/main/settings.yml")["__node_baseline_shipped"]
PROFILES = read("vars/main/profiles.yml")["__node_baseline_profiles"]
TASKS = sorted((ROLE / "tasks").glob("*.yml"))
SWITCHED = sorted(name.removeprefix("node_baseline_").removesuffix("_enabled") for name in OPTIONS if name.endswith("_enabled"))


def test_every_variable_is_declared_and_has_a_default() -> None:
    assert set(read("defaults/main.yml")) == set(OPTIONS)


def test_every_setting_is_declared_and_shipped() -> None:
    declared = {name: set(OPTIONS[f"node_baseline_{name}"].get("options", {})) for name in SHIPPED}
    assert declared == {name: set(settings) for name, settings in SHIPPED.items()}


@pytest.mark.parametrize("theme", SWITCHED)
def test_a_theme_is_one_file_that_its_switch_and_tag_turn_on(theme: str) -> None:
    entry = next(each for each in read("tasks/main.yml") if each.get("ansible.builtin.import_tasks") == f"{theme}.yml")
    assert entry["when"] == f"node_baseline_{theme}_enabled"
    assert theme in entry["tags"]
    assert any(re.fullmatch(r"[A-Z]{3}-[0-9]{2}", tag) for tag in entry["tags"])


def test_profiles_are_the_declared_ones_and_lift_settings_that_are_shipped() -> None:
    assert set(PROFILES) == set(OPTIONS["node_baseline_profile"]["choices"])
    lifted = {(theme, setting) for themes in PROFILES.values() for theme, settings in themes.items() for setting in settings}
    assert lifted <= {(theme, setting) for theme, settings in SHIPPED.items() for setting in settings}


def test_every_profile_that_lifts_something_has_a_page_about_it() -> None:
    table = (CHECKOUT / "docs" / "deviations" / "README.md").read_text(encoding="utf-8")
    for profile, themes in PROFILES.items():
        assert not themes or profile in table
    for page in (CHECKOUT / "docs" / "deviations").glob("[!R]*.md"):
        text = page.read_text(encoding="utf-8")
        assert f"({page.name})" in table
        assert "\n## Why\n" in text
        assert "\n## Compensating measure\n" in text


@pytest.mark.parametrize("file", TASKS, ids=lambda file: file.stem)
def test_no_task_goes_through_a_shell_or_a_collection(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    modules = re.findall(r"^\s+([a-z_]+\.[a-z_]+\.[a-z_]+):", text, flags=re.MULTILINE)
    assert modules
    assert {module.rpartition(".")[0] for module in modules} == {"ansible.builtin"}
    assert "ansible.builtin.shell" not in modules


def test_files_that_can_lock_out_are_checked_before_they_replace() -> None:
    checks = {"ssh.yml": "sshd -T -f %s", "sudo.yml": "visudo -cf %s", "firewall.yml": "nft -c -f %s", "logging.yml": "rsyslogd -N1 -f %s"}
    for name, check in checks.items():
        assert any(
            line.strip().startswith("validate:") and line.endswith(check) for line in (ROLE / "tasks" / name).read_text().splitlines()
        )


def test_every_template_is_used() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in TASKS) + (ROLE / "vars/main/effective.yml").read_text(encoding="utf-8")
    for template in (ROLE / "templates").rglob("*.j2"):
        assert template.stem in text, template


def test_the_page_names_every_setting_and_what_a_profile_lifts() -> None:
    page = rolepages.page(ROLE)
    assert all(f"| `{name}` |" in page for name in OPTIONS)
    assert all(f"| `node_baseline_{theme}.{setting}` |" in page for theme, settings in SHIPPED.items() for setting in settings)
    assert '| bastion | ssh.forwarding | `"local"` |' in page

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
LIFTS = {file.stem: read(f"vars/profiles/{file.name}")["__node_baseline_lifts"] for file in (ROLE / "vars" / "profiles").glob("*.yml")}
DEVIATIONS = CHECKOUT / "docs" / "deviations"
PAGES = sorted(DEVIATIONS.glob("[!R]*.md"))
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
    tagged = [tag for task in read(f"tasks/{theme}.yml") for each in [task, *task.get("block", ())] for tag in each.get("tags", ())]
    assert any(re.fullmatch(r"cis_[1-7](\.[0-9]+)*", tag) for tag in tagged)


def test_what_is_written_takes_effect_inside_the_guard_also_in_a_run_of_some_themes() -> None:
    flushes = [each for each in read("tasks/main.yml") if each.get("ansible.builtin.meta") == "flush_handlers"]
    assert [each.get("tags") for each in flushes] == [["always"]] * 2


def flat(themes: dict[str, Any]) -> dict[str, object]:
    return dict(rolepages.leaves(themes))


def cell(page: Path, row: str) -> str:
    """What the table at the head of a deviation's page says in that row."""
    line = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {row} | "))
    return line.removeprefix(f"| {row} | ").removesuffix(" |")


def test_profiles_are_the_declared_ones_and_base_lifts_nothing() -> None:
    assert set(LIFTS) == set(OPTIONS["node_baseline_profile"]["choices"])
    assert LIFTS["base"] == {}


@pytest.mark.parametrize("profile", sorted(LIFTS))
def test_a_profile_lifts_settings_that_are_shipped_each_once_and_for_a_value_of_its_own(profile: str) -> None:
    shipped, seen = flat(SHIPPED), set[str]()
    for themes in LIFTS[profile].values():
        assert {(theme, setting) for theme, settings in themes.items() for setting in settings} <= {
            (theme, setting) for theme, settings in SHIPPED.items() for setting in settings
        }
        for setting, value in flat(themes).items():
            assert shipped.get(setting) != value, f"{setting} is that in every profile"
            assert setting not in seen
            seen.add(setting)


@pytest.mark.parametrize("profile", sorted(LIFTS))
def test_what_a_profile_lifts_has_a_page_that_names_the_profile(profile: str) -> None:
    for deviation in LIFTS[profile]:
        named = re.sub(r" \([^)]*\)", "", cell(DEVIATIONS / f"{deviation}.md", "nodes")).split(", ")
        assert profile in named, f"{deviation}.md is for {named}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_deviation_says_control_reason_and_measure_and_is_for_all_nodes_or_for_a_profile_that_lifts_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"[a-z_]+", re.sub(r" \([^)]*\)", "", cell(page, "nodes")))) & set(LIFTS)
    assert named == {profile for profile, deviations in LIFTS.items() if page.stem in deviations}
    assert re.search(r"\n## Why\n.+\n## Compensating measure\n\S", text, flags=re.DOTALL)
    assert re.search(r"\b[A-Z]{3}-[0-9]{2}$", cell(page, "control")), "no control of the catalogue"
    title = text.splitlines()[0].removeprefix("# ")
    row = f"| [{title}]({page.name}) | {cell(page, 'nodes')} | {cell(page, 'control')} |"
    assert row in (DEVIATIONS / "README.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("file", TASKS, ids=lambda file: file.stem)
def test_no_task_goes_through_a_shell_or_a_collection(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    modules = re.findall(r"^\s+([a-z_]+\.[a-z_]+\.[a-z_]+|node_baseline_files):", text, flags=re.MULTILINE)
    assert modules
    assert {module.rpartition(".")[0] for module in modules} <= {"ansible.builtin", ""}
    assert "ansible.builtin.shell" not in modules


def test_files_that_can_lock_out_are_checked_before_they_replace() -> None:
    checks = {"ssh.yml": "sshd -T -f %s", "sudo.yml": "visudo -cf %s", "firewall.yml": "nft -c -f %s", "logging.yml": "rsyslogd -N1 -f %s"}
    for name, check in checks.items():
        assert any(
            line.strip().startswith("validate:") and line.endswith(check) for line in (ROLE / "tasks" / name).read_text().splitlines()
        )


def test_what_belongs_to_one_system_is_in_its_file_alone() -> None:
    """Another system is another file there: no task or template has a path or name of Debian's own."""
    for file in (*TASKS, *(ROLE / "templates").rglob("*.j2")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
        assert [line for line in lines if re.search("debian|trixie", line, re.IGNORECASE)] == [], file.name
    for file in (ROLE / "vars" / "os").glob("*.yml"):
        for theme, settings in read(f"vars/os/{file.name}")["__node_baseline_os"]["settings"].items():
            assert set(settings) <= set(SHIPPED[theme])


def test_every_template_is_used() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in TASKS)
    for template in (ROLE / "templates").rglob("*.j2"):
        assert f"{template.relative_to(ROLE / 'templates')}'" in text, template


def settings_in(file: Path) -> set[tuple[str, str]]:
    """Theme and name of every setting that a file of the role reads; a template may give a theme a shorter name."""
    text = file.read_text(encoding="utf-8")
    for short, theme in re.findall(r"{%-? set (\w+) = __node_baseline\.(\w+) -?%}", text):
        text = re.sub(rf"(?<![\w.]){short}\.", f"__node_baseline.{theme}.", text)
    return set(re.findall(r"__node_baseline\.(\w+)\.(\w+)", text))


def test_every_setting_is_used() -> None:
    files = [file for part in ("tasks", "templates", "handlers", "vars") for file in (ROLE / part).rglob("*") if file.is_file()]
    used = set[tuple[str, str]]().union(*map(settings_in, files))
    assert {(theme, setting) for theme, settings in SHIPPED.items() for setting in settings} - used == set()


def test_no_fact_is_asked_that_only_a_package_gives() -> None:
    """A fresh Debian has no lsb-release, and only some machines have facter or ohai."""
    text = "".join(file.read_text(encoding="utf-8") for file in ROLE.rglob("*") if file.suffix in {".yml", ".j2"})
    assert "ansible_facts.distribution" in text
    assert re.findall(r"ansible_facts(?:\.|\[')(?:lsb|facter_\w*|ohai_\w*)", text) == []


def test_the_page_names_every_setting_and_what_a_profile_lifts() -> None:
    page = rolepages.page(ROLE)
    assert all(f"| `{name}` |" in page for name in OPTIONS)
    assert all(f"| `node_baseline_{theme}.{setting}` |" in page for theme, settings in SHIPPED.items() for setting in settings)
    assert '| bastion | [bastion-forwarding](../../docs/deviations/bastion-forwarding.md) | ssh.forwarding | `"local"` |' in page

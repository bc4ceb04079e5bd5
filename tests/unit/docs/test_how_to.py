"""What pages for people say holds: YAML loads in its place, links lead somewhere, commands exist, what is shown was recorded."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.places import CHECKOUT
from landing_zone.cli.app import EXIT_CODES, load
from landing_zone.engine.opening import load_plan
from landing_zone.model.environment import Flow, Tenant
from tests.unit.cli.support import commands, options_of
from tests.unit.model import support

PAGES = sorted([*(CHECKOUT / "docs").rglob("*.md"), *CHECKOUT.glob("*.md")])
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = [link for link in _LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert not dead


def test_every_surprise_has_a_cure_in_a_place_that_there_is() -> None:
    lines = (CHECKOUT / "docs/surprises.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][2:]
    assert len(rows) > 90
    assert [row for row in rows if len(row) != 3 or not all(row)] == []
    assert [place for *_, places in rows for place in places.split(", ") if not (CHECKOUT / place).exists()] == []


def test_examples_of_add_a_ministry() -> None:
    text = (CHECKOUT / "docs" / "how-to" / "add-a-ministry.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    whole = (block if block.startswith(("tenants", "flows")) else "flows:\n" + block for block in blocks)
    loaded = [yaml.safe_load(block.replace("!include ", "")) for block in whole]
    tenants = list(chain.from_iterable(block.get("tenants", []) for block in loaded))
    flows = list(chain.from_iterable(block.get("flows", []) for block in loaded))
    named = [Tenant.model_validate(tenant) for tenant in tenants if isinstance(tenant, dict)]
    assert [tenant.code for tenant in named] == ["moet", "extra"]
    assert len([Flow.model_validate(flow) for flow in flows]) == 3
    spoiled = support.changed("national-cgc", lambda data: data["flows"].extend(flows))
    assert not support.complaints(spoiled)
    direct = {"from": "moet/application", "to": "moha/application", "protocol": "tcp", "ports": [8443], "reason": "x"}
    assert "join two tenants" in support.said(
        support.complaints(support.changed("national-cgc", lambda data: data["flows"].append(direct)))
    )


def test_the_register_row_of_add_a_ministry_is_the_register() -> None:
    text = (CHECKOUT / "docs" / "how-to" / "add-a-ministry.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("moet,"))
    register = (support.ENVIRONMENTS / "registers" / "ministries.csv").read_text(encoding="utf-8")
    assert row.replace(",3,", ",4,") in register


FAILED = (CHECKOUT / "docs" / "how-to" / "when-up-fails.md").read_text(encoding="utf-8")


def test_what_the_page_on_failures_quotes_is_what_our_programs_say() -> None:
    code = "".join(path.read_text(encoding="utf-8") for part in ("foundation", "landing_zone") for path in (CHECKOUT / part).rglob("*.py"))
    cells = [line.split("|")[1] for line in FAILED.splitlines() if line.startswith("| ")][2:]
    quoted = [part.strip() for cell in cells for said in re.findall(r'"([^"]+)"', cell) for part in said.split("…") if part.strip()]
    assert len(quoted) > 10
    assert [part for part in quoted if part.lower() not in code.lower()] == []


def test_the_exit_codes_of_the_page_on_failures_are_those_of_the_command() -> None:
    named = set(re.findall(r"exit code (\d+)", FAILED, flags=re.IGNORECASE))
    assert named
    assert all(re.search(rf"\b{code}\b", EXIT_CODES) for code in named)


def test_commands_of_every_page_are_there_with_their_flags() -> None:
    written = re.compile(r"(?:`|^ {4}|\$\()(?:\.venv/bin/)?lz ([a-z][a-z-]*[^`\n)]*)", re.MULTILINE)
    lines = [line.split() for page in PAGES for line in written.findall(page.read_text(encoding="utf-8"))]
    assert len(lines) > 100
    for name, *words in lines:
        found: Any = load(name)
        if words and words[0] in getattr(found, "commands", ()):
            found = found.commands[words.pop(0)]
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "--debug"}
        ours = words[: words.index("--")] if "--" in words else words
        assert {word.partition("=")[0] for word in ours if word.startswith("--")} <= known, (name, words)


_ALIKE = {"--json", "--region", "--yes", "--help"}  # they do the same wherever they are


@pytest.mark.parametrize("name", commands())
def test_every_option_of_a_command_is_on_a_page_that_names_it(name: str) -> None:
    pages = [text for text in (page.read_text(encoding="utf-8") for page in PAGES) if re.search(rf"\blz {name}\b", text)]
    options = {option for option in options_of(name) - _ALIKE if option.startswith("--")}
    assert {each for each in options if not any(re.search(rf"(?<![\w-]){each}(?![\w-])", text) for text in pages)} == set()


_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)
_OURS_BY_NAME = re.compile(r'^(?:\w+=\S+ |eval "\$\()*(?:lz|openstack|ansible[a-z-]*) ')


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_what_is_pasted_from_a_page_does_what_it_says(page: Path) -> None:
    """`lz` by its name is a program of mtools that ends well, the others are on no PATH, and `LZ_CACHE` is rarely set."""
    text = page.read_text(encoding="utf-8")
    pasted = [line.strip() for block in (*_FENCED.findall(text), *_INDENTED.findall(_FENCED.sub("", text))) for line in block.splitlines()]
    assert [line for line in pasted if _OURS_BY_NAME.match(line) or "$LZ_CACHE" in line] == []


def test_what_pages_let_make_make_is_in_the_makefile() -> None:
    named = {name for page in PAGES for name in re.findall(r"(?:`|^ {4})make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)}
    assert {"up", "down", "test", "test-long", "venv"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_what_readme_shows_of_make_up_was_recorded() -> None:
    """What is left out is told by a line of dots."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    recorded = [line.rstrip() for line in (CHECKOUT / "docs/recordings/make-up.txt").read_text(encoding="utf-8").splitlines()]
    shown = re.findall(r"^ {4}(.*)$", text.partition("## What it looks like")[2].partition("\n## ")[0], re.MULTILINE)
    assert len(shown) > 15
    rest = iter(recorded)
    assert [line for line in shown if line.strip() != "..." and line not in rest] == []


def test_the_recording_is_of_the_stacks_that_there_are() -> None:
    recorded = (CHECKOUT / "docs/recordings/make-up.txt").read_text(encoding="utf-8")
    table = recorded.rpartition("region  layer ")[2]
    planned = {(region.name, layer) for region in load_plan("lab").regions.values() for step in region.order for layer in step}
    rows = set(re.findall(r"^(\w+) +([a-z-]+) +\d+  ", table, re.MULTILINE))
    assert rows == {(region, layer) for region, layer in planned if layer != "probes"}

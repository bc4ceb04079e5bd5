"""The examples of the how-to pages hold: YAML loads in its place, links lead somewhere, commands exist."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from foundation.places import CHECKOUT
from landing_zone.cli.app import EXIT_CODES, load
from landing_zone.model.environment import Flow, Tenant
from tests.unit.model import support

PAGES = sorted((CHECKOUT / "docs").rglob("*.md"))
_LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = [link for link in _LINK.findall(text) if "://" not in link and not (page.parent / link).exists()]
    assert not dead


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


def test_commands_of_the_how_to_pages_are_there() -> None:
    pages = [path.read_text(encoding="utf-8") for path in (CHECKOUT / "docs" / "how-to").glob("*.md")]
    lines = [line.split() for page in pages for line in re.findall(r"\.venv/bin/lz ([a-z-]+[^`\n]*)", page)]
    assert len(lines) > 15
    for name, *words in lines:
        found: Any = load(name)
        if hasattr(found, "commands"):
            found = found.commands[words[0]]
        known = {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in words if word.startswith("-") and word not in ("-", "\\")} <= known, (name, words)

"""The control catalogue: whole, and used: every control that code names is in it, every one in it is named by code."""

from __future__ import annotations

import re
from itertools import chain

import yaml

from foundation.places import CHECKOUT
from landing_zone.model.levels import figures
from policy.catalogue import METHODS, controls, page

_ID = re.compile(r"\b(?:IAM|NET|CMP|K8S|STO|LOG|BCK|DR|CRY|SUP|OPS)-[0-9]{2}\b")
_FOREIGN = {"OPS-08"}  # of BSI C5, named as a source


def test_every_entry_is_whole() -> None:
    content = yaml.safe_load((CHECKOUT / "policy" / "controls.yaml").read_text(encoding="utf-8"))
    assert len(controls()) == len(content["controls"])
    families = [control.family for control in controls().values()]
    assert set(families) == set(content["families"].values())
    for control in controls().values():
        assert _ID.fullmatch(control.id)
        assert control.min_level in range(1, 6)
        assert control.verify
        assert set(control.verify) <= set(METHODS)
        for text in (control.title, control.requirement, control.check, control.evidence):
            assert text.strip()
        assert control.requirement.endswith(".")
        assert control.check.endswith(".")
        assert control.sources


def test_figures_and_controls_name_each_other() -> None:
    named = {key: control.id for control in controls().values() for key in control.figures}
    assert named == {figure.key: figure.control for figure in figures().values()}


def test_code_names_the_controls_of_the_catalogue_and_no_others() -> None:
    folders = [CHECKOUT / name for name in ("components", "landing_zone", "policy", "stacks")]
    roles = (CHECKOUT / "roles").rglob("tasks/*.yml")
    files = chain(*(folder.rglob("*.py") for folder in folders), roles)
    named = {found for file in files for found in _ID.findall(file.read_text(encoding="utf-8"))}
    named |= {figure.control for figure in figures().values()}
    assert named - _FOREIGN == set(controls())


def test_the_page_shows_every_control() -> None:
    assert all(f"| {control.id} {control.title} | {control.min_level} |" in page() for control in controls().values())

"""`lz init`: whatever is answered within the rules gives a file that loads and plans; the rest is refused like any other file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from foundation.errors import InputError
from landing_zone.model import load
from landing_zone.model.scaffold import Answers, RegionAnswer, TenantAnswer, environment_text
from landing_zone.planners import plan

NORTH = RegionAnswer("north", "my-north", "Hà Nội", 21.0285, 105.8542)
SOUTH = RegionAnswer("south", "my-south", "Cần Thơ", 10.0452, 105.7469)
TENANTS = (TenantAnswer("a", "A-1", 'Cơ quan "A", một', "Agency A, the first"), TenantAnswer("b", "B-1", "Cơ quan B", "Agency B"))
ANSWERS = Answers("mine", "Đám mây: của tôi", "My cloud", "agency", 1, "me@example.org", (NORTH,), TENANTS)


def loaded(folder: Path, answers: Answers) -> int:
    """The number of tenants that the written file gives in its last region."""
    path = folder / "mine.yaml"
    path.write_text(environment_text(answers), encoding="utf-8")
    environment = load(path)
    assert environment.name.vi == answers.name_vi
    assert [tenant.name.vi for tenant in environment.tenants] == [tenant.name_vi for tenant in answers.tenants]
    return len(list(plan(environment).regions.values())[-1].tenants)


@pytest.mark.parametrize("level", range(1, 6))
@pytest.mark.parametrize("regions", [(NORTH,), (NORTH, SOUTH)])
def test_every_level_gives_a_valid_file(tmp_path: Path, level: int, regions: tuple[RegionAnswer, ...]) -> None:
    answers = replace(ANSWERS, level=level, regions=regions)
    if level >= 3 and len(regions) == 1:
        with pytest.raises(InputError, match="asks for a second region"):
            loaded(tmp_path, answers)
    else:
        assert loaded(tmp_path, answers) == 2


@pytest.mark.parametrize("klass", ["central", "agency", "enterprise"])
@pytest.mark.parametrize("stage", ["lab", "test", "production"])
def test_every_class_and_stage(tmp_path: Path, klass: str, stage: str) -> None:
    assert loaded(tmp_path, replace(ANSWERS, klass=klass, stage=stage)) == 2  # type: ignore[arg-type]  # both are in the model's lists


def test_no_tenant_and_many(tmp_path: Path) -> None:
    assert loaded(tmp_path, replace(ANSWERS, tenants=())) == 0
    many = tuple(TenantAnswer(f"t{number}", f"T-{number}", f"Cơ quan {number}", f"Agency {number}") for number in range(60))
    assert loaded(tmp_path, replace(ANSWERS, tenants=many, regions=(NORTH, SOUTH), level=4)) == 60


@pytest.mark.parametrize("name", ["agencies.csv", "agencies.yaml"])
def test_a_register_of_hundreds_of_rows(tmp_path: Path, name: str) -> None:
    """The same agencies from either kind of file, each with its own line."""
    many = tuple(TenantAnswer(f"t{number}", f"T-{number}", f"Cơ quan {number}", f"Agency {number}") for number in range(700))
    text = environment_text(replace(ANSWERS, supernet="10.0.0.0/8", tenants=many))
    row = {"agencies.csv": "{0},{1},{2},{3},1", "agencies.yaml": "- {{code: {0}, dti_code: {1}, name: {{vi: {2}, en: {3}}}, level: 1}}"}[
        name
    ]
    rows = [row.format(one.code, one.dti_code, one.name_vi, one.name_en) for one in many]
    head = ["code,dti_code,name.vi,name.en,level"] if name.endswith("csv") else ["# agencies"]
    (tmp_path / name).write_text("\n".join([*head, *rows]), encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(f"{text.partition('tenants:')[0]}tenants: !include {name}\n", encoding="utf-8")
    environment = load(path)
    assert [(tenant.code, tenant.dti_code, tenant.name.vi) for tenant in environment.tenants] == [
        (one.code, one.dti_code, one.name_vi) for one in many
    ]
    assert len(plan(environment).regions["north"].tenants) == len(many)
    rows[600] = rows[600].replace("T-600", "T-5")
    (tmp_path / name).write_text("\n".join([*head, *rows]), encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name}:602, key tenants\[600\].dti_code"):
        load(path)


def test_administrators_are_this_machine_on_the_lab_only(tmp_path: Path) -> None:
    on_lab = replace(ANSWERS, regions=(replace(NORTH, cloud="lab-north"),))
    for answers, prefix in (
        (ANSWERS, "172.21.0.0/24"),
        (on_lab, "198.18.0.0/15"),
        (replace(on_lab, admin_networks=("10.1.0.0/16",)), "10.1.0.0/16"),
    ):
        path = tmp_path / "mine.yaml"
        path.write_text(environment_text(answers), encoding="utf-8")
        assert [str(net) for net in load(path).bastion.admin_networks] == [prefix]


def test_wrong_answers_are_refused_by_their_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"key code, value \"Mine!\""):
        loaded(tmp_path, replace(ANSWERS, code="Mine!", domain="mine.example.org"))
    with pytest.raises(InputError, match=r"contacts\[0\].email"):
        loaded(tmp_path, replace(ANSWERS, email="nobody"))

"""Files to plain data: line numbers, anchors, includes, and every way in which a file can be broken."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from foundation.errors import InputError
from landing_zone.model import document
from landing_zone.model.document import Place, read


def write(folder: Path, text: str, name: str = "env.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    return str(caught.value)


def test_values_and_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a: 1\nb:\n  - x\n  - {c: 2.5, d: true, e: null}\nf: 'no'\ng: no\nh: 010\ni: 12:30\n")
    found = read(path)
    assert found.data == {"a": 1, "b": ["x", {"c": 2.5, "d": True, "e": None}], "f": "no", "g": "no", "h": "010", "i": "12:30"}
    assert found.place(("b", 1, "d")) == Place(path, 4)
    assert found.place(("b",)) == Place(path, 2)
    assert found.place(("b", 1, "missing", "deeper")) == Place(path, 4)
    assert str(found.place(("f",))) == f"{path}:5"


def test_anchors_and_merge_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nsame: *base\n")
    found = read(path)
    assert found.data["use"] == {"a": 1, "b": 3}
    assert found.data["same"] == {"a": 1, "b": 2}
    assert found.place(("use", "b")).line == 4
    assert found.place(("use", "a")).line == 1


def test_included_yaml_and_csv_keep_their_own_places(tmp_path: Path) -> None:
    write(tmp_path, '# comment\ncode,name.vi,name.en,level\na,Một,One,\n\nb,Hai,"Two, too",2\n', "t.csv")
    write(tmp_path, "- code: z\n", "more.yaml")
    path = write(tmp_path, "one: !include t.csv\nboth:\n  - !include t.csv\n  - {code: y}\n  - !include more.yaml\n")
    found = read(path)
    assert found.data["one"] == [
        {"code": "a", "name": {"vi": "Một", "en": "One"}},
        {"code": "b", "name": {"vi": "Hai", "en": "Two, too"}, "level": "2"},
    ]
    assert [entry["code"] for entry in found.data["both"]] == ["a", "b", "y", "z"]
    assert found.place(("one", 1, "name", "en")) == Place(tmp_path / "t.csv", 5)
    assert found.place(("both", 3, "code")) == Place(tmp_path / "more.yaml", 1)
    assert found.rows.keys() == {("one", 0), ("one", 1), ("both", 0), ("both", 1)}
    assert [file.name for file in found.files] == ["env.yaml", "t.csv", "t.csv", "more.yaml"]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\na: 2\n", 2, "'a' stands twice"),
        ("a: {b: 1, b: 2}\n", 1, "'b' stands twice"),
        ("a: [1\nb: 2\n", 2, "not valid YAML"),
        ("a: &x [*x]\n", 1, "contains itself"),
        ("a: !secret x\n", 1, "unknown tag !secret"),
        ("? [a]\n: 1\n", 1, "not plain text"),
        ("a:\n  <<: [1]\n", 2, "not another mapping"),
        ("a: !include\n", 1, "without a file name"),
        ("a: !include t.json\n", 1, "unknown kind '.json'"),
        ("a: !include none.yaml\n", 1, "none.yaml"),
        ("a: 1\nb: !include env.yaml\n", 2, "includes itself"),
        ("", 1, "is empty"),
        ("a: " + "[" * 100_000 + "]" * 100_000, 1, "nested more than 40 deep"),
        ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000)), 1, "nested more than 40 deep"),
        ("a:\n  " + "{x: " * 5000, 2, "nested more than 40 deep"),
    ],
)
def test_broken_files_are_refused_with_their_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = write(tmp_path, text)
    message = refused(path)
    assert words in message
    assert f"{path}:{line}" in message
    assert "cure:" in message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a,b\n1\n", 2, "a row of 1 cells"),
        ("a,a\n1,2\n", 1, "'a' stands twice"),
        ('a,b\n1,"2\n', 2, "not valid CSV"),
        ("# of 2026\na;b\n1;2\n3;4\n", 2, "cells are separated by ';'"),
        ("a\tb\n1\t2\n", 1, r"cells are separated by '\t'"),
        ("", 1, "t.csv has no head line"),
        ("# of 2026\n,,\n", 1, "t.csv has no head line"),
    ],
)
def test_broken_registers_are_refused_with_their_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    write(tmp_path, text, "t.csv")
    message = refused(write(tmp_path, "a: !include t.csv\n"))
    assert words in message
    assert f"{tmp_path / 't.csv'}:{line}" in message
    assert message.count("cure:") == 1


def test_what_spreadsheets_leave_behind_is_no_row_and_no_column(tmp_path: Path) -> None:
    write(tmp_path, "\ufeffa,b,,\r\n1,2,,\r\n,,,\r\n , ,,\r\n3,4,,\r\n,,,\r\n", "t.csv")
    assert read(write(tmp_path, "a: !include t.csv\n")).data == {"a": [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]}


def test_marks_that_stand_apart_from_their_letters_make_no_other_text(tmp_path: Path) -> None:
    write(tmp_path, unicodedata.normalize("NFD", "a\nSở Y tế\n"), "t.csv")
    found = read(write(tmp_path, unicodedata.normalize("NFD", "a: !include t.csv\nb: Sở Y tế\n"))).data
    assert found == {"a": [{"a": "Sở Y tế"}], "b": "Sở Y tế"}


def test_all_problems_at_once(tmp_path: Path) -> None:
    message = refused(write(tmp_path, "a: 1\na: 2\nb: !x 1\nc: !include none.csv\n"))
    assert message.count("cure:") == 3


def test_missing_and_binary_and_huge_files(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.yaml")
    (tmp_path / "b.yaml").write_bytes(b"a: \xff\xfe\n")
    assert "not UTF-8" in refused(tmp_path / "b.yaml")
    assert "larger than" in refused(write(tmp_path, "a: " + "x" * (4 * 1024 * 1024)))


def test_aliases_cannot_multiply_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_MOST_VALUES", 10_000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases multiply them" in refused(write(tmp_path, "\n".join(lines)))

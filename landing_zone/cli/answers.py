"""The answers of `lz init`: what is asked, how an answer is read, and what is wrong with one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import typer
from pydantic import TypeAdapter, ValidationError

from foundation.errors import InputError, Problem, raise_all
from landing_zone.model.complaints import reason
from landing_zone.model.document import number
from landing_zone.model.fields import CODE_PATTERN, Code, Country, DtiCode, Email, Entry, HumanText, Klass, Latitude, Longitude
from landing_zone.model.levels import LEVELS, figures
from landing_zone.model.scaffold import Answers, RegionAnswer, TenantAnswer

Read = TypeVar("Read")
MOST_REGIONS = 2
REGION = {"NAME": Code, "CLOUD": Entry, "PLACE": HumanText, "LATITUDE": Latitude, "LONGITUDE": Longitude}
TENANT = {"CODE": Code, "DTI_CODE": DtiCode, "NAME_VI": HumanText, "NAME_EN": HumanText}
REGION_FORM, TENANT_FORM = ":".join(REGION), ":".join(TENANT)


@dataclass(frozen=True)
class Given:
    """What flags say: `singles` by flag, None where one is not given; the others as on the command line."""

    singles: Mapping[str, str | None]
    country: str
    regions: Sequence[str] | None
    tenants: Sequence[str] | None
    folder: Path

    def path(self, code: str) -> Path:
        """The file of an environment of that code."""
        return self.folder / f"{code}.yaml"


def collect(given: Given) -> Answers:
    """All answers, those that no flag gives by asking at the terminal.

    InputError with everything that is wrong in the flags, before the first question; where there is nobody to ask, also with
    everything that they do not say.
    """
    raise_all(_wrong(given))
    code = _answer(given, "--code")
    raise_all(_taken(given.path(code)))
    name_en, name_vi, klass, level, email = (_answer(given, flag) for flag in QUESTIONS if flag != "--code")
    regions = tuple(_region(text) for text in given.regions) if given.regions else tuple(_regions_of(level))
    tenants = tuple(_tenants() if given.tenants is None else (_tenant(text) for text in given.tenants))
    return Answers(code, name_vi, name_en, klass, level, email, regions, tenants, country=given.country)


def _wrong(given: Given) -> Iterator[Problem]:
    lacking = [flag for flag, text in given.singles.items() if text is None] + ([] if given.regions else ["--region"])
    if not sys.stdin.isatty():
        yield from (Problem(f"{flag} is missing", cure=f"give {flag}, or run it on a terminal: then it asks") for flag in lacking)
    texts = [(read, text) for flag, (_, read) in QUESTIONS.items() if (text := given.singles[flag]) is not None]
    texts += (
        [(_country, given.country)] + [(_region, text) for text in given.regions or ()] + [(_tenant, text) for text in given.tenants or ()]
    )
    for read, text in texts:
        try:
            read(text)
        except InputError as error:
            yield from error.problems
    if re.fullmatch(CODE_PATTERN, code := given.singles["--code"] or ""):
        yield from _taken(given.path(code))
    if given.regions and len(given.regions) > MOST_REGIONS:
        cure = f"answer for {MOST_REGIONS}, and write the others into the file, each with a supernet of its own"
        yield Problem(f"{len(given.regions)} regions: a new file has one, or a pair", cure=cure)


def _taken(path: Path) -> Iterator[Problem]:
    """That the file is there already, if it is."""
    if path.exists():
        yield Problem("there is such a file already", where=str(path), cure="take another --code, or edit the file")


def _answer(given: Given, flag: str) -> Any:
    """What a flag says, or else somebody at the terminal."""
    question, read = QUESTIONS[flag]
    text = given.singles[flag]
    return _ask(question, read) if text is None else read(text)


def _ask(question: str, read: Callable[[str], Read], **how: Any) -> Read:
    """The answer of somebody at the terminal, who is asked again after one that says nothing. `how`: more for `typer.prompt`."""
    while True:
        try:
            return read(str(typer.prompt(question, err=True, **how)))
        except InputError as error:
            typer.echo(str(error), err=True)


def _regions_of(level: int) -> Iterator[RegionAnswer]:
    """Answers for as many regions as the level asks for."""
    for rank in ("Primary", "Secondary") if figures()["second_region"].at(level) else ("Primary",):
        yield _ask(f"{rank} region as {REGION_FORM}", _region)


def _tenants() -> Iterator[TenantAnswer]:
    """Answers until an empty one; none where there is nobody to ask."""
    question = f"A tenant as {TENANT_FORM} (empty: no more)"
    while sys.stdin.isatty() and (one := _ask(question, lambda text: _tenant(text) if text else None, default="", show_default=False)):
        yield one


def _code(text: str) -> str:
    """A short name as the file has it, and as its own name is made of it: no path to somewhere else."""
    if re.fullmatch(CODE_PATTERN, text):
        return text
    cure = "1 to 12 of a-z and 0-9, a letter first"
    raise InputError(Problem(f"{text!r} is no short name of an environment", cure=cure))


def _level(text: str) -> int:
    if text in map(str, LEVELS):
        return int(text)
    raise InputError(Problem(f"{text!r} is no security level", cure=f"a number from {LEVELS[0]} to {LEVELS[-1]}"))


def _klass(text: str) -> Klass:
    for known in get_args(Klass):
        if text == known:
            return text  # type: ignore[return-value]
    raise InputError(Problem(f"{text!r} is no class of environments", cure=f"one of: {', '.join(get_args(Klass))}"))


def _name(text: str) -> str:
    if why := _unfit(HumanText, text):
        raise InputError(Problem(f"{text!r} is no name", why=why, cure="1 to 200 characters"))
    return text


def _email(text: str) -> str:
    if why := _unfit(Email, text):
        raise InputError(Problem(f"{text!r} is no mail address", why=why, cure="write it as NAME@HOST.DOMAIN"))
    return text


def _country(text: str) -> str:
    if why := _unfit(Country, text):
        raise InputError(Problem(f"{text!r} is no country", why=why, cure="write its two letters of ISO 3166, such as VN"))
    return text


def _region(text: str) -> RegionAnswer:
    name, cloud, place, latitude, longitude = _parts(text, "a region", REGION)
    return RegionAnswer(name, cloud, place, float(latitude), float(longitude))


def _tenant(text: str) -> TenantAnswer:
    return TenantAnswer(*_parts(text, "a tenant", TENANT))


def _parts(text: str, what: str, form: Mapping[str, Any]) -> list[str]:
    """The parts of an answer of several. InputError with every one that the model would refuse."""
    parts = text.split(":")
    wrong = [f"{name}: {why}" for (name, kind), part in zip(form.items(), parts, strict=False) if (why := _unfit(kind, part))]
    if len(parts) != len(form):
        wrong = [f"it has {len(parts)} parts, not {len(form)}"]
    if wrong:
        raise InputError(Problem(f"{text!r} does not describe {what}", why="\n".join(wrong), cure=f"write it as {':'.join(form)}"))
    return parts


def _unfit(kind: Any, text: str) -> str:
    """Why the model would not take the text for a value of that kind; nothing where it would."""
    try:
        TypeAdapter(kind).validate_python(number(text, float) if kind in (Latitude, Longitude) else text)
    except ValidationError as error:
        return reason(error.errors()[0])
    return ""


# flag -> what is asked where it does not say it, and how an answer is read
QUESTIONS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "--code": ("Short name of the environment", _code),
    "--name-en": ("Its name in English", _name),
    "--name-vi": ("Its name in Vietnamese", _name),
    "--class": (f"Class ({', '.join(get_args(Klass))})", _klass),
    "--level": ("Security level, 1 to 5", _level),
    "--email": ("Mail address of its owner", _email),
}

"""Types of single values in an environment file, each with the pattern or range that a wrong value is measured against."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from landing_zone.model.levels import zones


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be text")
    return value


class Record(BaseModel):
    """Base of every mapping in an environment file: no other keys, and unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


CODE_PATTERN = r"^[a-z][a-z0-9]{0,11}$"
Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
"""1 to 12 of a-z and 0-9, a letter first: safe in every service's names, in host names and in stack names."""

ResourceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""The name of something that exists in the cloud already: 1 to 63 ASCII letters, digits, '.', '_' or '-'."""

HumanText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
AsciiText = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$")]
"""1 to 200 printable ASCII characters."""

DnsName = Annotated[
    str, StringConstraints(max_length=120, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$")
]
Email = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$", max_length=200)]
Level = Annotated[int, Field(strict=True, ge=1, le=5)]
Whole = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
Positive = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
V4Network = Annotated[IPv4Network, BeforeValidator(_text)]
V6Network = Annotated[IPv6Network, BeforeValidator(_text)]
AnyNetwork = Annotated[IPv4Network | IPv6Network, BeforeValidator(_text)]
AnyAddress = Annotated[IPv4Address | IPv6Address, BeforeValidator(_text)]
PortRange = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}-[0-9]{1,5}$")]


def _zone(value: str) -> str:
    if value not in zones():
        raise ValueError("must be one of " + ", ".join(zones()))
    return value


ZoneName = Annotated[str, AfterValidator(_zone), WithJsonSchema({"type": "string", "enum": [*zones()]})]
"""A zone of the catalogue (landing_zone/data/zones.yaml)."""

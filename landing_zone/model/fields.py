"""Types of single values in an environment file, each with the pattern or range that a wrong value is measured against."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface, ip_network
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, StringConstraints, WithJsonSchema

from landing_zone.model.levels import zones

_LAST_PORT = 65535
SIZES = (1, 2, 4, 8)


class Record(BaseModel):
    """Base of every mapping in an environment file: no other keys, and unchangeable once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def literals(annotation: Any) -> tuple[str, ...]:
    """The words of which a field takes one; none where it takes something else."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(word for inner in get_args(annotation) for word in literals(inner))
    return ()


def _network(value: Any) -> IPv4Network | IPv6Network:
    """A prefix with no bits set behind it."""
    text = _text(value)
    net = ip_network(text, strict=False)
    if ip_interface(text).ip != net.network_address:
        raise ValueError(f"it has bits set behind the prefix; the network is {net}")
    return net


def _v4_network(value: Any) -> IPv4Network:
    net = _network(value)
    if isinstance(net, IPv4Network):
        return net
    raise ValueError("it is an IPv6 prefix, here an IPv4 prefix is asked for")


def _v6_network(value: Any) -> IPv6Network:
    net = _network(value)
    if isinstance(net, IPv6Network):
        return net
    raise ValueError("it is an IPv4 prefix, here an IPv6 prefix is asked for")


def _address(value: Any) -> IPv4Address | IPv6Address:
    return ip_address(_text(value))


def _text(value: Any) -> str:
    """Text as it is; anything else is refused, because Python reads a bare number as an address too."""
    if not isinstance(value, str):
        raise ValueError("an address is text, in quotes where it has colons")
    return value


def _ports(value: Any) -> int | str:
    """A port, or a range of ports as "8000-8010"."""
    written: int | str
    if isinstance(value, int) and not isinstance(value, bool):
        written = first = last = value
    elif isinstance(value, str) and value.count("-") == 1 and all(part.isascii() and part.isdigit() for part in value.split("-")):
        written = value
        first, last = (int(part) for part in value.split("-"))
    else:
        raise ValueError('a port is a number, a range is text such as "8000-8010"')
    if not 1 <= first <= last <= _LAST_PORT:
        raise ValueError(f"ports go from 1 to {_LAST_PORT}, the lower one first")
    return written


def _size(value: Any) -> int:
    if type(value) is not int or value not in SIZES:
        raise ValueError("a size is one of " + ", ".join(map(str, SIZES)))
    return value


def _zone(value: Any) -> str:
    if not isinstance(value, str) or value not in zones():
        raise ValueError("the zones are " + ", ".join(zones()))
    return value


CODE_PATTERN = r"^[a-z][a-z0-9]{0,11}$"
Code = Annotated[str, StringConstraints(pattern=CODE_PATTERN)]
"""1 to 12 of a-z and 0-9, a letter first: safe in every service's names, in host names and in stack names."""

Entry = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""What a file of settings or a catalogue calls a cloud: 1 to 63 ASCII letters, digits, '.', '_' or '-'."""

CloudName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([ -~]{0,253}[!-~])?$")]
"""The name of something that exists in the cloud already: 1 to 255 printable ASCII characters, a letter or digit first, no space last."""

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1, two letters."""

COUNTRY = "VN"
"""The country of an environment that names none."""

LoginName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
HumanText = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]{1,200}$")]
"""1 to 200 characters of any script, no control characters: for people, never for names in the cloud."""

AsciiText = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,200}$")]
"""1 to 200 printable ASCII characters."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
DnsName = Annotated[str, StringConstraints(max_length=120, pattern=rf"^{_LABEL}(\.{_LABEL})+$")]
Email = Annotated[str, StringConstraints(max_length=200, pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+$")]
DtiCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9.-]{0,34}$")]
FederatedId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,64}$")]
IssuerUrl = Annotated[str, StringConstraints(pattern=r"^https://[!-~]{1,190}$")]
BackendUrl = Annotated[str, StringConstraints(pattern=r"^(s3|postgres)://[!-~]{1,400}$")]

Klass = Literal["central", "agency", "enterprise"]
Stage = Literal["lab", "test", "production"]
Transport = Literal["tcp", "udp", "icmp"]

Level = Annotated[int, Field(strict=True, ge=1, le=5)]
Whole = Annotated[int, Field(strict=True, ge=0, le=10_000_000)]
Multiplied = Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
"""Like Whole, where the planner makes a limit of it a thousand times as high or more: services count to 2^31."""

Positive = Annotated[int, Field(strict=True, ge=1, le=10_000_000)]
Port = Annotated[int, Field(strict=True, ge=1, le=_LAST_PORT)]
Size = Annotated[int, PlainValidator(_size), WithJsonSchema({"type": "integer", "enum": [*SIZES]})]
Latitude = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-90, le=90)]
Longitude = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-180, le=180)]

_AS_TEXT = PlainSerializer(str)
V4Network = Annotated[IPv4Network, PlainValidator(_v4_network), _AS_TEXT, WithJsonSchema({"type": "string", "format": "ipv4network"})]
V6Network = Annotated[IPv6Network, PlainValidator(_v6_network), _AS_TEXT, WithJsonSchema({"type": "string", "format": "ipv6network"})]
AnyNetwork = Annotated[
    IPv4Network | IPv6Network, PlainValidator(_network), _AS_TEXT, WithJsonSchema({"type": "string", "title": "IPv4 or IPv6 prefix"})
]
AnyAddress = Annotated[
    IPv4Address | IPv6Address,
    PlainValidator(_address),
    _AS_TEXT,
    WithJsonSchema({"type": "string", "title": "IPv4 or IPv6 address"}),
]
Ports = Annotated[
    int | str,
    PlainValidator(_ports),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _LAST_PORT}, {"type": "string", "pattern": "^[0-9]{1,5}-[0-9]{1,5}$"}]}
    ),
]
ZoneName = Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string", "enum": [*zones()]})]
"""A zone of the catalogue (landing_zone/data/zones.yaml)."""

"""Whether a stack can have changed since it was last found, or made, to be what the plan says.

Everything that decides about a stack is digested: its share of the plan, what else its program is given (endpoint, secrets,
the authority of SSH certificates), the ids that earlier layers gave out, the programs themselves, and the pins of engine and packages. The
digest is kept in a note on this machine, wherever the state is, together with the version of the state that it was true of. A stack is
settled when both are still the same. What changed in the cloud alone is not seen here: that is for `lz drift`.

A note is dropped before anything changes its stack, and written when that has ended well: a run that is killed or fails
leaves none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from foundation import digest, files
from foundation.places import CHECKOUT
from landing_zone.engine.home import Home
from landing_zone.planners.shares import Share, identities
from stacks.inputs import Inputs, password_name

CODE = ("stacks", "components", "policy", "tools/pins.toml", "requirements.txt")
Ids = Mapping[str, Mapping[str, str]]  # kind -> name -> id, as a stack gives them out


@dataclass(frozen=True)
class Note:
    """What is kept about a stack: the digest of all that decides about it, the version of its state, its cloud resources."""

    digest: str
    state: str
    resources: int


def of(share: Share, inputs: Inputs, earlier: Mapping[str, Ids]) -> str:
    """The digest of all that decides about one stack. `earlier`: the ids that each earlier layer gave out."""
    region = share.region
    secrets = [password_name(region.name, user.name) for _, spec in identities(region) for user in spec.machine_users]
    return digest.of_texts(
        of_code(),
        repr(share),  # plain frozen data: its text says all of it, in a fixed order
        repr(inputs.endpoint),
        inputs.user_ca,
        json.dumps({name: inputs.secret(name) for name in secrets}),
        json.dumps(earlier, sort_keys=True),
    )


def earlier_layers(share: Share) -> list[str]:
    """The layers whose ids a stack may read."""
    return sorted(set(share.owners.values()) - {share.layer})


@cache
def of_code() -> str:
    """The digest of the programs, and of what they run with."""
    return digest.of_trees(CHECKOUT / name for name in CODE)


def read(home: Home, stack: str) -> Note | None:
    """The note of a stack; None when there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(home.note(stack).read_text())
        return Note(str(found["digest"]), str(found["state"]), int(found["resources"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(home: Home, stack: str, note: Note) -> None:
    """Write the note of a stack, whole or not at all."""
    files.replace(home.note(stack), json.dumps(asdict(note)))


def drop(home: Home, stack: str) -> None:
    """Remove the note of a stack."""
    home.note(stack).unlink(missing_ok=True)

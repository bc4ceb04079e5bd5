"""Another try, after a while, where all that failed is what passes by itself: conflicts, too many calls, a lost connection."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from foundation.errors import LzError
from landing_zone.engine.stack import Outcome

PAUSES = (2.0, 5.0, 15.0)  # seconds before the second, third and fourth try


def persist(do: Callable[[], Outcome], clear: Callable[[], object], say: Callable[[str], None]) -> Outcome:
    """The outcome of `do`, tried again while it fails by what passes; `clear` removes what the failed try left half made."""
    outcome = do()
    for pause in PAUSES:
        if not outcome.passing:
            break
        say(f"{outcome.key.name}: {outcome.problems[0].what}; trying again in {pause:.0f} s")
        time.sleep(pause)
        try:
            clear()
        except (SDKException, ClientException, LzError) as error:
            say(f"{outcome.key.name}: what was left half made could not be looked for: {error}")
            continue
        outcome = _together(outcome, do())
    return outcome


def _together(first: Outcome, second: Outcome) -> Outcome:
    """One outcome of two tries: what the first had done is the same to the second."""
    changes = Counter(second.changes)
    for op, count in first.changes.items():
        if op != "same":
            changes[op] += count
            changes["same"] -= 0 if op == "delete" else count
    return replace(
        second,
        changes={op: count for op, count in changes.items() if count > 0},
        details=(*first.details, *second.details),
        changed=first.changed or second.changed,
        seconds=first.seconds + second.seconds,
    )

"""The way in: a certificate opens the bastion, and none that is expired, of another region or of another authority does."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from foundation.errors import LzError
from landing_zone.engine.home import Home
from landing_zone.proof.results import Result, Verdict
from landing_zone.ssh.certificates import Pass, identity, load, make
from landing_zone.ssh.hosts import Host, write_config
from landing_zone.ssh.shell import on_host
from stacks.inputs import principal

CONTROL = "IAM-09"
REFUSED = "Permission denied"
MINUTE = 60  # seconds


def check(home: Home, environment: str, bastion: Host) -> Iterator[Result]:
    """One good entry, and two bad ones: more in a row, and OpenSSH shuts its door to this address for a while.

    Each bad key is offered with its certificate and also bare, which is how a key without a certificate is tried.
    """
    what = f"{bastion.name} is entered by a certificate, and has the key pinned from its console log"
    try:
        said = on_host(home, bastion.name, ["hostname"]).strip()
    except LzError as error:
        entered, seen = Verdict.FAIL, error.problems[0].why or str(error)
    else:
        entered, seen = Verdict.PASS, f"it says it is {said}"
    yield Result(CONTROL, bastion.region, what, entered, seen)
    with tempfile.TemporaryDirectory() as folder:
        for name, passes in _bad(home, environment, bastion, Path(folder)).items():
            verdict, seen = _refused(home, bastion, passes) if entered is Verdict.PASS else (Verdict.UNKNOWN, "a good one does not either")
            yield Result(CONTROL, bastion.region, f"{name} does not open {bastion.name}", verdict, seen)


def _bad(home: Home, environment: str, bastion: Host, folder: Path) -> dict[str, Sequence[Pass]]:
    now, who, ours = int(time.time()), identity(), [bastion.name, principal(environment, bastion.region)]
    good, over = (now - MINUTE, now + MINUTE), (now - 3 * MINUTE, now - MINUTE)
    return {
        "an expired certificate, or one for another region,": [
            make(folder, load(home.user_ca), ours, who, over),
            make(folder, load(home.user_ca), [f"{environment}.another"], who, good),
        ],
        "a certificate of another authority, or a key without one,": [make(folder, Ed25519PrivateKey.generate(), ours, who, good)],
    }


def _refused(home: Home, bastion: Host, passes: Sequence[Pass]) -> tuple[Verdict, str]:
    config = write_config(home, [bastion], passes, passes[0].config)
    try:
        on_host(home, bastion.name, ["true"], config=config)
    except LzError as error:
        why = error.problems[0].why
        return (Verdict.PASS, "refused, while a good one is taken") if REFUSED in why else (Verdict.UNKNOWN, why)
    return Verdict.FAIL, "it does"

"""Connections tried from inside instances: those that must pass, those that must not, and the controls that give both a meaning.

A connection that is stopped proves nothing by itself: the listener might be dead. So every target first shows that its
listener answers, and a stop counts only when the same port of the same target did answer to somebody who may ask.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

from foundation.errors import LzError
from landing_zone.engine.home import Home
from landing_zone.planners.plan import FlowCheck, InstanceSpec
from landing_zone.proof.results import Result, Verdict
from landing_zone.ssh.shell import on_host

SSH_PORT = 22
SECONDS = 4  # one connection may take that long: an answer inside a cloud takes milliseconds
SESSIONS = 6  # SSH sessions at once

# Runs as root in the instance. Input: {"name": ..., "ports": [...], "addresses": [...]}. A listener says its name to whoever
# connects. Ends when it answers at each of the addresses: the lease of an IPv6 address may come after that of the other.
LISTEN = r"""
import json, socket, subprocess, sys, time
wanted = json.load(sys.stdin)
code = '''
import socket, sys, threading
def serve(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        connection, _ = server.accept()
        connection.settimeout(2)
        try:
            connection.sendall(sys.argv[1].encode() + b"\\n")
        except OSError:
            pass
        connection.close()
for port in sys.argv[2:]:
    threading.Thread(target=serve, args=(int(port),)).start()
'''
if subprocess.run(["systemctl", "is-active", "--quiet", "lz-listener"]).returncode:
    subprocess.run(["systemd-run", "--quiet", "--collect", "--unit=lz-listener", "python3", "-c", code, wanted["name"],
                    *map(str, wanted["ports"])], check=True)
deadline = time.monotonic() + 20
for place in [(address, port) for address in wanted["addresses"] for port in wanted["ports"]]:
    while True:
        try:
            socket.create_connection(place, 1).close()
            break
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"nothing listens at {place[0]}, port {place[1]}: {error}")
            time.sleep(0.1)
"""

# Runs in the instance. Input: [[address, port], ...] and seconds. Output: what each connection gave, in the same order.
TRY = r"""
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
asked, seconds = json.load(sys.stdin)
def attempt(target):
    try:
        with socket.create_connection(tuple(target), seconds) as connection:
            connection.settimeout(seconds)
            return "answer: " + connection.recv(64).decode(errors="replace").strip()
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return f"refused: {error.strerror}"
with ThreadPoolExecutor(max_workers=32) as pool:
    json.dump(list(pool.map(attempt, asked)), sys.stdout)
"""


@dataclass(frozen=True)
class Attempt:
    """One connection: from an instance to a port of an address."""

    source: str
    address: str
    port: int


def needed(checks: Iterable[FlowCheck]) -> set[Attempt]:
    """Every connection that has to be tried to judge the checks, positive controls included."""
    attempts = set()
    for check in checks:
        attempts.add(Attempt(check.source, check.address, check.port))
        attempts.add(control_of(check))
    return attempts


def control_of(check: FlowCheck) -> Attempt:
    """The connection that must get an answer, or else the check means nothing."""
    return Attempt(check.positive_source or check.target, check.address, check.port)


def judge(check: FlowCheck, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    """How one check came out, given what every connection gave (see TRY); a source that could not be entered is missing."""
    got = seen.get(Attempt(check.source, check.address, check.port))
    if got is None:
        return Verdict.UNKNOWN, f"{check.source} could not be entered"
    return _judge_pass(check, got, seen) if check.allowed else _judge_stop(check, got, seen)


def _judge_pass(check: FlowCheck, got: str, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    if _answers(check, got):
        return Verdict.PASS, got
    if check.port == SSH_PORT or _answers(check, seen.get(Attempt(check.target, check.address, check.port), "")):
        return Verdict.FAIL, f"{check.source} gets: {got}"
    return Verdict.UNKNOWN, f"{got}, and {check.target} does not answer to itself either"


def _judge_stop(check: FlowCheck, got: str, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    if got.startswith("answer"):
        return Verdict.FAIL, f"{check.port} of {check.target} answers to {check.source}: {got}"
    control = control_of(check)
    proof = seen.get(control, "could not be entered")
    if _answers(check, proof):
        return Verdict.PASS, f"{got}, while {control.source} gets an answer"
    return Verdict.UNKNOWN, f"{got}, but {control.source} gets no answer either: {proof}"


def _answers(check: FlowCheck, got: str) -> bool:
    """True when the target itself answered: SSH by its greeting, a listener by the name of its instance."""
    return got.startswith("answer: SSH-") if check.port == SSH_PORT else got == f"answer: {check.target}"


def try_all(
    home: Home, instances: Mapping[str, InstanceSpec], checks: Iterable[FlowCheck], region: str
) -> tuple[list[Result], dict[str, str]]:
    """Try every check of a region from inside the instances (by name). Returns results, and what kept a source from being entered."""
    wanted = list(checks)
    problems: dict[str, str] = {}

    def listen(spec: InstanceSpec) -> None:
        try:
            payload = json.dumps({"name": spec.name, "ports": spec.listens, "addresses": [address for _, address in spec.addresses]})
            on_host(home, spec.hostname, ["sudo", "python3", "-c", LISTEN], stdin=payload, timeout=120)
        except LzError as error:
            problems[spec.name] = str(error)

    attempts = needed(wanted) | {Attempt(check.target, check.address, check.port) for check in wanted if check.port != SSH_PORT}

    def ask(source: str) -> dict[Attempt, str]:
        mine = sorted((attempt for attempt in attempts if attempt.source == source), key=lambda one: (one.address, one.port))
        payload = json.dumps([[[one.address, one.port] for one in mine], SECONDS])
        try:
            said = on_host(home, instances[source].hostname, ["python3", "-c", TRY], stdin=payload, timeout=120)
        except LzError as error:
            problems[source] = str(error)
            return {}
        return dict(zip(mine, json.loads(said), strict=True))

    with ThreadPoolExecutor(max_workers=SESSIONS) as pool:
        list(pool.map(listen, [spec for spec in instances.values() if spec.listens]))
        seen = {key: value for part in pool.map(ask, sorted({one.source for one in attempts})) for key, value in part.items()}
    results = [_result(check, region, seen) for check in wanted]
    return results, problems


def _result(check: FlowCheck, region: str, seen: Mapping[Attempt, str]) -> Result:
    verdict, said = judge(check, seen)
    may = "may" if check.allowed else "may not"
    way = "over IPv6 " if ip_address(check.address).version == 6 else ""
    what = f"{check.source} {may} reach {check.protocol}/{check.port} of {check.target} {way}({check.reason})"
    return Result(check.control, region, what, verdict, said)

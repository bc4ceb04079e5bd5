"""Connections tried from inside instances: those that must pass, those that must not, and the controls that give both a meaning.

A connection that is stopped proves nothing by itself: the listener might be dead. So every target first shows that its
listener answers, and a stop counts only when the same port of the same target did answer to somebody who may ask, and when the
source sent from its own address and heard nothing at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

from foundation.errors import LzError
from foundation.process import TimedOut
from landing_zone.engine.home import Home
from landing_zone.planners.plan import FlowCheck, InstanceSpec
from landing_zone.proof.results import Result, Verdict
from landing_zone.ssh.shell import on_host

SSH_PORT = 22
SILENCE = "no answer"
SECONDS = 4  # one connection may take that long: an answer inside a cloud takes milliseconds
WORKERS = 32  # connections at once from one instance
SESSIONS = 6  # SSH sessions at once
ENTER_SECONDS = 120  # one session may take that long, beside what it tries
PING_SECONDS = SECONDS + 1  # what takes longest to be silent: its second request leaves after a second
LISTEN_SECONDS = 20  # a listener that does not answer at all its addresses by then is given up

# Runs as root in the instance. Input: {"name": ..., "listeners": [[protocol, port], ...], "addresses": [...], "seconds": ...}. A
# listener says its name to whoever connects, or sends a datagram. Ends when it answers at each of the addresses, for which it has
# so many seconds: the lease of an IPv6 address may come after that of the other.
LISTEN = r"""
import json, socket, subprocess, sys, time
wanted = json.load(sys.stdin)
code = '''
import socket, sys, threading
name = sys.argv[1].encode()
def tcp(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    while True:
        connection, _ = server.accept()
        connection.settimeout(2)
        try:
            connection.sendall(name + b"\\n")
        except OSError:
            pass
        connection.close()
def udp(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    while True:
        _, whom = server.recvfrom(64)
        try:
            server.sendto(name, whom)
        except OSError:
            pass
for protocol, port in zip(sys.argv[2::2], sys.argv[3::2]):
    threading.Thread(target={"tcp": tcp, "udp": udp}[protocol], args=(int(port),)).start()
'''
def answers(protocol, place):
    if protocol == "tcp":
        return socket.create_connection(place, 1).close()
    with socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect(place)
        asking.send(b"?")
        asking.recv(64)
if subprocess.run(["systemctl", "is-active", "--quiet", "lz-listener"]).returncode:
    subprocess.run(["systemd-run", "--quiet", "--collect", "--unit=lz-listener", "python3", "-c", code, wanted["name"],
                    *[str(word) for listener in wanted["listeners"] for word in listener]], check=True)
deadline = time.monotonic() + wanted["seconds"]
for address, (protocol, port) in [(address, listener) for address in wanted["addresses"] for listener in wanted["listeners"]]:
    while True:
        try:
            answers(protocol, (address, port))
            break
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"nothing listens at {address}, {protocol} port {port}: {error}")
            time.sleep(0.1)
"""

# Runs in the instance. Input: [[protocol, address, port], ...], seconds, the instance's own addresses, and how many are tried at once.
# Output: what each connection gave, in the same order. What would not leave from an address of its own is not sent: without the lease
# of its IPv6 address an instance has no way, or sends from one that OVN drops, and either would look like a block. A datagram may be
# lost, and is sent twice. Only root may send an echo request everywhere.
TRY = r"""
import json, socket, subprocess, sys
from concurrent.futures import ThreadPoolExecutor
asked, seconds, own, workers = json.load(sys.stdin)
def datagrams(address):
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
def hindered(address):
    with datagrams(address) as asking:
        try:
            asking.connect((address, 9))  # sends nothing: chooses the way, and the address to send from
        except OSError as error:
            return error.strerror
        source = asking.getsockname()[0]
    return "" if source in own else f"it would send from {source}"
def tcp(address, port):
    with socket.create_connection((address, port), seconds) as connection:
        connection.settimeout(seconds)
        return "answer: " + connection.recv(64).decode(errors="replace").strip()
def udp(address, port):
    with datagrams(address) as asking:
        asking.settimeout(seconds / 2)
        asking.connect((address, port))
        for again in (True, False):
            asking.send(b"?")
            try:
                return "answer: " + asking.recv(64).decode(errors="replace")
            except TimeoutError:
                if not again:
                    raise
def icmp(address, _):
    try:
        done = subprocess.run(["sudo", "-n", "ping", "-n", "-q", "-c", "2", "-W", str(seconds), address], capture_output=True, text=True)
    except OSError as error:
        return f"not tried: {error}"
    if done.returncode > 1 or "packets transmitted" not in done.stdout:
        return "not tried: " + done.stderr.strip()
    return "no answer" if done.returncode else "answer: echo"
def attempt(target):
    protocol, address, port = target
    hindrance = hindered(address)
    if hindrance:
        return f"cannot send: {hindrance}"
    try:
        return {"tcp": tcp, "udp": udp, "icmp": icmp}[protocol](address, port)
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return f"refused: {error.strerror}"
with ThreadPoolExecutor(max_workers=workers) as pool:
    json.dump(list(pool.map(attempt, asked)), sys.stdout)
"""


@dataclass(frozen=True)
class Attempt:
    """One connection: from an instance to a port of an address (0: that of icmp)."""

    source: str
    protocol: str
    address: str
    port: int


def needed(checks: Iterable[FlowCheck]) -> set[Attempt]:
    """Every connection that has to be tried to judge the checks, positive controls included."""
    attempts = set()
    for check in checks:
        attempts.add(_attempt(check, check.source))
        attempts.add(control_of(check))
    return attempts


def control_of(check: FlowCheck) -> Attempt:
    """The connection that must get an answer, or else the check means nothing."""
    return _attempt(check, check.positive_source or check.target)


def _attempt(check: FlowCheck, source: str) -> Attempt:
    return Attempt(source, check.protocol, check.address, check.port)


def judge(check: FlowCheck, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    """How one check came out, given what every connection gave (see TRY); a source that could not be entered is missing."""
    got = seen.get(_attempt(check, check.source))
    if got is None:
        return Verdict.UNKNOWN, f"{check.source} could not be entered"
    if got.startswith("not tried"):
        return Verdict.UNKNOWN, f"{check.source}: {got}"
    return _judge_pass(check, got, seen) if check.allowed else _judge_stop(check, got, seen)


def _judge_pass(check: FlowCheck, got: str, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    if _answers(check, got):
        return Verdict.PASS, got
    if _by_ssh(check) or _answers(check, seen.get(_attempt(check, check.target), "")):
        return Verdict.FAIL, f"{check.source} gets: {got}"
    return Verdict.UNKNOWN, f"{got}, and {check.target} does not answer to itself either"


def _judge_stop(check: FlowCheck, got: str, seen: Mapping[Attempt, str]) -> tuple[Verdict, str]:
    if got.startswith("answer"):
        return Verdict.FAIL, f"{_way(check)} of {check.target} answers to {check.source}: {got}"
    if got != SILENCE:
        on_the_way = f"something on the way answered, or {check.target} itself, or {check.source} does not get out"
        return Verdict.UNKNOWN, f"{got}: what is dropped is silent, so {on_the_way}"
    control = control_of(check)
    proof = seen.get(control, "could not be entered")
    if _answers(check, proof):
        return Verdict.PASS, f"{got}, while {control.source} gets an answer"
    return Verdict.UNKNOWN, f"{got}, but {control.source} gets no answer either: {proof}"


def _answers(check: FlowCheck, got: str) -> bool:
    """True when the target itself answered: SSH by its greeting, a listener by the name of its instance, its kernel by an echo."""
    if _by_ssh(check):
        return got.startswith("answer: SSH-")
    return got == ("answer: echo" if check.protocol == "icmp" else f"answer: {check.target}")


def _by_ssh(check: FlowCheck) -> bool:
    return (check.protocol, check.port) == ("tcp", SSH_PORT)


def _way(check: FlowCheck) -> str:
    return f"{check.protocol}/{check.port}" if check.port else check.protocol


def try_all(
    home: Home, instances: Mapping[str, InstanceSpec], checks: Iterable[FlowCheck], region: str
) -> tuple[list[Result], dict[str, str]]:
    """Try every check of a region from inside the instances (by name). Returns results, and what kept a source from being entered.

    What got no answer where one was due is tried once more, with all that it is judged by: instances that have just come up have
    much to do. What was answered and should not have been is not.
    """
    wanted = list(checks)
    seen, problems = _round(home, instances, wanted)
    again = {check for check in wanted if judge(check, seen)[0] is not Verdict.PASS and not _stands(check, seen)}
    later, problems = _round(home, instances, again) if again else ({}, problems)
    return [_result(check, region, later if check in again else seen) for check in wanted], problems


def _stands(check: FlowCheck, seen: Mapping[Attempt, str]) -> bool:
    """Whether another try could not make it better: an answer came."""
    return seen.get(_attempt(check, check.source), "").startswith("answer")


def _round(home: Home, instances: Mapping[str, InstanceSpec], wanted: Collection[FlowCheck]) -> tuple[dict[Attempt, str], dict[str, str]]:
    problems: dict[str, str] = {}

    def listen(spec: InstanceSpec) -> None:
        try:
            addresses = [address for _, address in spec.addresses]
            payload = {"name": spec.name, "listeners": spec.listens, "addresses": addresses, "seconds": LISTEN_SECONDS}
            on_host(home, spec.hostname, ["sudo", "python3", "-c", LISTEN], stdin=json.dumps(payload), timeout=ENTER_SECONDS)
        except LzError as error:
            problems[spec.name] = str(error)

    attempts = needed(wanted) | {_attempt(check, check.target) for check in wanted if not _by_ssh(check)}

    def ask(source: str) -> dict[Attempt, str]:
        mine = sorted((attempt for attempt in attempts if attempt.source == source), key=lambda one: (one.address, one.protocol, one.port))
        own = [address for _, address in instances[source].addresses]
        payload = json.dumps([[[one.protocol, one.address, one.port] for one in mine], SECONDS, own, WORKERS])
        patience = ENTER_SECONDS + PING_SECONDS * len(mine) / WORKERS
        try:
            said = on_host(home, instances[source].hostname, ["python3", "-c", TRY], stdin=payload, timeout=patience)
        except TimedOut as error:
            problems[source] = str(error)
            return dict.fromkeys(mine, "not tried to the end: it did not end in time")
        except LzError as error:
            problems[source] = str(error)
            return {}
        return dict(zip(mine, json.loads(said), strict=True))

    with ThreadPoolExecutor(max_workers=SESSIONS) as pool:
        list(pool.map(listen, [spec for spec in instances.values() if spec.listens]))
        seen = {key: value for part in pool.map(ask, sorted({one.source for one in attempts})) for key, value in part.items()}
    return seen, problems


def _result(check: FlowCheck, region: str, seen: Mapping[Attempt, str]) -> Result:
    verdict, said = judge(check, seen)
    may = "may" if check.allowed else "may not"
    way = "over IPv6 " if ip_address(check.address).version == 6 else ""
    what = f"{check.source} {may} reach {_way(check)} of {check.target} {way}({check.reason})"
    return Result(check.control, region, what, verdict, said)

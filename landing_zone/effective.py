"""What is in force on a live node, asked of the node itself by testinfra: a file says what should be, this says what is.

Looked at is what no node profile lifts and no variable of the role loosens, and whether what would be passed on is dropped, unless the
node is to be a router; control ids of CIS Debian 13 are in each check's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import testinfra

from landing_zone.nodes import CONTROL
from landing_zone.proof.results import Result, Verdict

SSHD = {
    "permitemptypasswords": "no", "hostbasedauthentication": "no", "permituserenvironment": "no", "ignorerhosts": "yes",
    "gssapiauthentication": "no", "x11forwarding": "no", "permittunnel": "no", "allowagentforwarding": "no",
}  # fmt: skip
KERNEL = {"kernel.randomize_va_space": "2", "fs.suid_dumpable": "0", "fs.protected_hardlinks": "1", "fs.protected_symlinks": "1"}
NETWORK = {
    "net.ipv4.conf.all.accept_redirects": "0", "net.ipv4.conf.all.accept_source_route": "0",
    "net.ipv4.conf.all.log_martians": "1", "net.ipv4.icmp_echo_ignore_broadcasts": "1", "net.ipv4.tcp_syncookies": "1",
}  # fmt: skip
SERVICES = ("nftables", "chrony")
RULES = "/etc/nftables.conf"
FAMILIES = ("ip", "ip6")
_DROPS = re.compile(r"\s*type filter hook (?P<hook>\w+) .*policy drop;")
MOUNTS = ("/tmp", "/dev/shm")  # noqa: S108
OPTIONS = frozenset({"nodev", "nosuid", "noexec"})
NOT_255 = "|| exit 1"  # which ssh keeps for a connection that failed, and some programs for a failure of theirs
Seen = tuple[Verdict, str]
OWN_KERNEL = "test -w /proc/sys/kernel/randomize_va_space"
HOSTS_KERNEL = Verdict.UNKNOWN, "a container: this belongs to the kernel of its host"


def enter(name: str, ssh_config: Path) -> Any:
    """The node as testinfra knows it (`testinfra.host.Host`), entered by OpenSSH with this configuration, commands run as root."""
    quiet = "-o LogLevel=ERROR"  # ssh shows the server's banner among what a program says of its failure
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(ssh_config), sudo=True, controlpersist=0, ssh_extra_args=quiet)


def check(region: str, name: str, node: Any) -> list[Result]:
    """One result a question; a single one that could not be evaluated when the node cannot be entered."""
    try:
        node.run("true")
    except RuntimeError as problem:  # testinfra's word for ssh's own exit status
        return [Result(CONTROL, region, f"{name}: what is in force", Verdict.UNKNOWN, f"cannot be entered: {problem}")]
    return [Result(CONTROL, region, f"{name}: {what}", *_answer(question, node)) for what, question in QUESTIONS.items()]


def _answer(question: Callable[[Any], Seen], node: Any) -> Seen:
    try:
        return question(node)
    except RuntimeError:  # not shown: it has all that was read up to there, hashes of passwords too
        return Verdict.UNKNOWN, "the connection ended"


def in_force(listing: str) -> dict[str, str]:
    """Lines `key value` or `key = value`, keys in lower case; a key that comes again keeps its first value."""
    found: dict[str, str] = {}
    for line in listing.splitlines():
        key, _, value = line.replace(" = ", " ", 1).partition(" ")
        found.setdefault(key.lower(), value.strip())
    return found


def _differing(wanted: dict[str, str], found: dict[str, str]) -> Seen:
    """FAIL with what is otherwise, else UNKNOWN with what the node does not have, else PASS."""
    otherwise = [f"{key} is {found[key]}" for key, value in wanted.items() if key in found and found[key] != value]
    absent = [f"no {key}" for key in wanted if key not in found]
    if otherwise:
        return Verdict.FAIL, ", ".join(otherwise)
    return (Verdict.UNKNOWN, ", ".join(absent)) if absent else (Verdict.PASS, f"{len(wanted)} settings")


def _none(found: Iterable[str], good: str) -> Seen:
    """PASS when nothing was found that should not be."""
    wrong = list(found)
    return (Verdict.FAIL, ", ".join(wrong)) if wrong else (Verdict.PASS, good)


def _ssh(node: Any) -> Seen:
    said = node.run(f"sshd -T {NOT_255}")
    if said.rc:
        return Verdict.FAIL, f"sshd -T: {said.stderr.strip()}"
    return _differing(SSHD, in_force(said.stdout))


def _has_a_kernel(node: Any) -> bool:
    """Whether the kernel is the node's own; a container sees what is set on its host, and may not change it."""
    return not node.run(OWN_KERNEL).rc


def _kernel(node: Any) -> Seen:
    return _parameters(node, KERNEL) if _has_a_kernel(node) else HOSTS_KERNEL


def _network(node: Any) -> Seen:
    return _parameters(node, NETWORK)


def _parameters(node: Any, wanted: dict[str, str]) -> Seen:
    return _differing(wanted, in_force(node.run(f"sysctl {' '.join(wanted)}").stdout))


def _filter(node: Any) -> Seen:
    said = node.run("nft list ruleset")
    if said.rc:
        return Verdict.UNKNOWN, f"nft: {said.stderr.strip()}"
    # Profiles that route lift the second: the role's file does not have it then, and landing_zone/nodes.py compares that with the role.
    hooks = ("input", "forward") if node.file(RULES).contains("hook forward") else ("input",)
    dropped = _dropped(said.stdout)
    missing = [f"{hook} of {family}" for hook in hooks for family in FAMILIES if (hook, family) not in dropped]
    if missing:
        return Verdict.FAIL, f"nothing drops what is not named: {', '.join(missing)}"
    return Verdict.PASS, f"policy drop on {' and '.join(hooks)}"


def _dropped(ruleset: str) -> set[tuple[str, str]]:
    """Hooks and families at which a chain drops what its rules do not name."""
    found: set[tuple[str, str]] = set()
    families: tuple[str, ...] = ()
    for line in ruleset.splitlines():
        words = line.split()
        if words[:1] == ["table"]:
            families = FAMILIES if words[1] == "inet" else (words[1],)
        elif words[:1] == ["flags"] and "dormant" in line:  # such a table is listed and does nothing
            families = ()
        elif chain := _DROPS.match(line):
            found |= {(chain["hook"], family) for family in families}
    return found


def _services(node: Any) -> Seen:
    return _none((f"{name} does not run" for name in SERVICES if not node.service(name).is_running), ", ".join(SERVICES))


def _failed(node: Any) -> Seen:
    said = node.run("systemctl list-units --state=failed --plain --no-legend --no-pager")
    if said.rc:
        return Verdict.UNKNOWN, f"systemctl: {said.stderr.strip()}"
    return _none((line.split()[0] for line in said.stdout.splitlines()), "none")


def _mounts(node: Any) -> Seen:
    points = {place: node.mount_point(place) for place in MOUNTS}
    missing = {place: OPTIONS - set(point.options if point.exists else ()) for place, point in points.items()}
    return _none((f"{place} without {', '.join(sorted(lacks))}" for place, lacks in missing.items() if lacks), ", ".join(MOUNTS))


def _accounts(node: Any) -> Seen:
    rows = [line.split(":") for line in node.file("/etc/shadow").content_string.splitlines()]
    users = [line.split(":") for line in node.file("/etc/passwd").content_string.splitlines()]
    empty = (f"{row[0]} has an empty password" for row in rows if not row[1])
    root = (f"{user[0]} is root by another name" for user in users if user[2] == "0" and user[0] != "root")
    return _none([*empty, *root], f"{len(rows)} accounts")


def _audit(node: Any) -> Seen:
    if not _has_a_kernel(node):
        return HOSTS_KERNEL
    if not node.service("auditd").is_running:
        return Verdict.FAIL, "auditd does not run"
    said = node.run(f"auditctl -l {NOT_255}")
    if said.rc:
        return Verdict.UNKNOWN, f"auditctl: {said.stderr.strip() or said.stdout.strip()}"
    rules = [line for line in said.stdout.splitlines() if line.startswith("-")]
    return (Verdict.PASS, f"{len(rules)} rules") if rules else (Verdict.FAIL, "no rules")


def _confinement(node: Any) -> Seen:
    said = node.run("aa-status --enforced")
    if said.rc:
        return Verdict.UNKNOWN, f"aa-status: {said.stderr.strip() or 'AppArmor is not in this kernel'}"
    return (Verdict.PASS if int(said.stdout) else Verdict.FAIL), f"{said.stdout.strip()} profiles"


QUESTIONS: dict[str, Callable[[Any], Seen]] = {
    "SSH server (5.1)": _ssh,
    "kernel parameters (1.5)": _kernel,
    "kernel parameters of the network (3.3)": _network,
    "packets that nothing names are dropped (4)": _filter,
    "services of the baseline run (2.3, 4)": _services,
    "no unit has failed": _failed,
    "mount options (1.1.2)": _mounts,
    "no account without password, no second root (7.2)": _accounts,
    "audit runs by its rules (6.2)": _audit,
    "AppArmor profiles are in enforce (1.3)": _confinement,
}

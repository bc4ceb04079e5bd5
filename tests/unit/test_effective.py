"""What is in force on a node: every question can come out each way that it has, and a node that cannot be entered never passes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from landing_zone import effective
from landing_zone.proof.results import Verdict

SSHD = "sshd -T || exit 1"
RULESET = "nft list ruleset"


def chain(hook: str, policy: str = "drop", kind: str = "filter") -> str:
    return f"\tchain {hook} {{\n\t\ttype {kind} hook {hook} priority filter; policy {policy};\n\t}}\n"


def table(family: str, *content: str) -> str:
    return f"table {family} one {{\n{''.join(content)}}}\n"


SAID = {
    "true": (0, ""),
    effective.OWN_KERNEL: (0, ""),
    SSHD: (0, "".join(f"{key} {value}\n" for key, value in effective.SSHD.items())),
    **{
        f"sysctl {' '.join(wanted)}": (0, "".join(f"{key} = {value}\n" for key, value in wanted.items()))
        for wanted in (effective.KERNEL, effective.NETWORK)
    },
    RULESET: (0, table("inet", chain("input"), chain("forward"), chain("output", "accept"))),
    "systemctl list-units --state=failed --plain --no-legend --no-pager": (0, ""),
    "auditctl -l || exit 1": (0, "-w /etc/sudoers -p wa -k scope\n"),
    "aa-status --enforced": (0, "12\n"),
}
FILES = {
    "/etc/shadow": "root:*:1\nlan:!:1\n",
    "/etc/passwd": "root:x:0:0\nlan:x:1000:1000\n",
    effective.RULES: table("inet", chain("input"), chain("forward")),
}
WAYS = [
    (SSHD, (0, SAID[SSHD][1].replace("x11forwarding no", "x11forwarding yes")), Verdict.FAIL, "x11forwarding is yes"),
    (SSHD, (1, ""), Verdict.FAIL, "sshd -T: broken"),
    (f"sysctl {' '.join(effective.KERNEL)}", (0, "fs.suid_dumpable = 2"), Verdict.FAIL, "fs.suid_dumpable is 2"),
    (f"sysctl {' '.join(effective.KERNEL)}", (0, ""), Verdict.UNKNOWN, "no kernel.randomize_va_space"),
    (f"sysctl {' '.join(effective.NETWORK)}", (0, "net.ipv4.tcp_syncookies = 0"), Verdict.FAIL, "net.ipv4.tcp_syncookies is 0"),
    (RULESET, (0, ""), Verdict.FAIL, "input of ip, input of ip6, forward of ip, forward of ip6"),
    (RULESET, (0, table("inet", chain("input", "accept"), chain("forward"))), Verdict.FAIL, ": input of ip, input of ip6"),
    (RULESET, (0, table("inet", chain("input"))), Verdict.FAIL, ": forward of ip, forward of ip6"),
    (RULESET, (0, table("bridge", chain("input"), chain("forward"))), Verdict.FAIL, ": input of ip, input of ip6, forward"),
    (RULESET, (0, table("ip6", chain("input"), chain("forward"))), Verdict.FAIL, ": input of ip, forward of ip"),
    (RULESET, (0, table("inet", "\tflags dormant\n", chain("input"), chain("forward"))), Verdict.FAIL, ": input of ip, input of ip6"),
    (RULESET, (0, table("inet", chain("input", kind="nat"), chain("forward"))), Verdict.FAIL, ": input of ip, input of ip6"),
    (RULESET, (1, ""), Verdict.UNKNOWN, "nft: broken"),
    ("systemctl list-units --state=failed --plain --no-legend --no-pager", (0, "a.service loaded failed"), Verdict.FAIL, "a.service"),
    ("systemctl list-units --state=failed --plain --no-legend --no-pager", (1, ""), Verdict.UNKNOWN, "systemctl: broken"),
    ("auditctl -l || exit 1", (0, "No rules\n"), Verdict.FAIL, "no rules"),
    ("auditctl -l || exit 1", (4, ""), Verdict.UNKNOWN, "auditctl: broken"),
    ("aa-status --enforced", (0, "0\n"), Verdict.FAIL, "0 profiles"),
    ("aa-status --enforced", (1, ""), Verdict.UNKNOWN, "aa-status: broken"),
]


class Node:
    """What testinfra would say of a node: exit status and output by command."""

    def __init__(self, said: dict[str, tuple[int, str]], *, running: bool = True, options: frozenset[str] = effective.OPTIONS) -> None:
        self._said, self._running, self._options = said, running, options
        self.files = dict(FILES)

    def run(self, command: str) -> Any:
        status, output = self._said[command]
        return SimpleNamespace(rc=status, stdout=output, stderr="broken" if status else "")

    def service(self, name: str) -> Any:
        return SimpleNamespace(is_running=self._running)

    def mount_point(self, path: str) -> Any:
        return SimpleNamespace(exists=True, options=sorted(self._options))

    def file(self, path: str) -> Any:
        content = self.files.get(path, "")
        return SimpleNamespace(content_string=content, contains=lambda pattern: pattern in content)


def wrong(node: Node) -> list[tuple[Verdict, str]]:
    results = effective.check("north", "one", node)
    assert len(results) == len(effective.QUESTIONS)
    assert {(each.control, each.region) for each in results} == {("CMP-02", "north")}
    return [(each.verdict, each.seen) for each in results if each.verdict is not Verdict.PASS]


def test_a_node_as_it_should_be_passes_all() -> None:
    assert wrong(Node(SAID)) == []


@pytest.mark.parametrize(("command", "answer", "verdict", "seen"), WAYS)
def test_each_way_that_a_question_comes_out(command: str, answer: tuple[int, str], verdict: Verdict, seen: str) -> None:
    ((how, why),) = wrong(Node({**SAID, command: answer}))
    assert how is verdict
    assert seen in why


def test_a_table_for_each_family_is_as_good_as_one_for_both() -> None:
    """As ufw makes them."""
    each = "".join(table(family, chain("input"), chain("forward")) for family in ("ip", "ip6", "bridge"))
    assert wrong(Node({**SAID, RULESET: (0, each)})) == []


def test_a_node_that_routes_by_its_profile_need_not_drop_what_it_passes_on() -> None:
    """Its file has no such chain, and that the file is the profile's is the other half of `lz nodes check`."""
    router = Node({**SAID, RULESET: (0, table("inet", chain("input")) + table("ip", chain("forward", "accept")))})
    assert [seen for _, seen in wrong(router)] == ["nothing drops what is not named: forward of ip, forward of ip6"]
    router.files[effective.RULES] = table("inet", chain("input"))
    assert wrong(router) == []


def test_services_mounts_and_accounts() -> None:
    node = Node(SAID, running=False, options=frozenset({"nodev", "noexec"}))
    node.files |= {"/etc/shadow": "root::1\n", "/etc/passwd": "root:x:0:0\ntoor:x:0:0\n"}
    seen = " ".join(why for how, why in wrong(node) if how is Verdict.FAIL)
    for text in ("auditd does not run", "/tmp without nosuid", "root has an empty password", "toor is root by another name"):
        assert text in seen


def test_a_container_is_not_asked_for_what_belongs_to_the_kernel_of_its_host() -> None:
    assert wrong(Node({**SAID, effective.OWN_KERNEL: (1, "")})) == [effective.HOSTS_KERNEL] * 2


def test_a_connection_that_ends_in_the_middle_ends_nothing_else_and_shows_nothing_that_was_read() -> None:
    class Flickering(Node):
        def file(self, path: str) -> Any:
            if path == "/etc/shadow":
                raise RuntimeError("root:$y$secret")
            return super().file(path)

    assert wrong(Flickering(SAID)) == [(Verdict.UNKNOWN, "the connection ended")]


def test_a_node_that_cannot_be_entered_is_no_pass() -> None:
    class Away(Node):
        def run(self, command: str) -> Any:
            raise RuntimeError("Connection refused")

    (only,) = effective.check("north", "one", Away({}))
    assert only.verdict is Verdict.UNKNOWN
    assert "Connection refused" in only.seen

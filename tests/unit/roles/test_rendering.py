"""What the role writes and asks for on nodes that are otherwise than a fresh Debian 13."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.roles.rendering import ROLE, node, read, refusal, render, task, template

MOUNTED = [{"mount": "/", "options": "rw,relatime"}, {"mount": "/tmp", "options": "rw,relatime,errors=remount-ro,exec"}]


def facts(*mounts: dict[str, str], distribution: str = "Debian", release: str = "trixie") -> dict[str, Any]:
    return {"mounts": list(mounts), "distribution": distribution, "distribution_release": release, "env": {}, "user_id": "admin"}


# -- mounts -----------------------------------------------------------------------------------------------------


def test_a_partition_for_tmp_stays_one_and_gets_the_options() -> None:
    variables = node(ansible_facts=facts(*MOUNTED))
    lines = render(task("mounts", "Options of what is mounted in memory")["loop"], variables)
    assert [line["key"] for line in lines] == ["/dev/shm"]
    partitions = render(task("mounts", "Options of partitions that are there")["loop"], variables)
    assert partitions == [{"key": "/tmp", "value": "rw,nosuid,nodev,noexec"}]
    unit = template("mount.conf.j2", variables | {"node_baseline_partition": partitions[0]})
    assert unit.splitlines()[-1] == "Options=errors=remount-ro,nodev,noexec,nosuid,relatime,rw"
    again = next(each for each in read("handlers/main.yml") if each["name"].startswith("Mount again"))
    assert {each["key"]: each["value"] for each in render(again["loop"], variables)}["/tmp"] == "rw,nosuid,nodev,noexec"


def test_without_one_it_is_in_memory_and_partitions_that_are_not_there_are_passed_over() -> None:
    variables = node(ansible_facts=facts(MOUNTED[0], {"mount": "/var", "options": "rw"}))
    lines = render(task("mounts", "Options of what is mounted in memory")["loop"], variables)
    assert {line["key"]: line["value"] for line in lines}["/tmp"] == "rw,nosuid,nodev,noexec,mode=1777,size=50%"
    assert [each["key"] for each in render(task("mounts", "Options of partitions that are there")["loop"], variables)] == ["/var"]


# -- audit ------------------------------------------------------------------------------------------------------


def test_programs_in_images_of_containers_get_no_audit_rule(tmp_path: Path) -> None:
    command = render(task("audit", "Programs that run as somebody else")["ansible.builtin.command"], node())
    for name in ("usr/bin/own", "var/lib/containerd/io/theirs", "var/lib/docker/overlay2/theirs", "var/lib/kubelet/pods/theirs"):
        program = tmp_path / name
        program.parent.mkdir(parents=True)
        program.touch()
        program.chmod(0o4755)
    words = [word.replace("/var", f"{tmp_path}/var") if word.startswith("/var") else word for word in command.split()]
    words[words.index("/")] = str(tmp_path)
    found = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert found.splitlines() == [f"{tmp_path}/usr/bin/own"]


@pytest.mark.parametrize(("status", "told"), [("enabled 2\nfailure 1\npid 612\n", True), ("enabled 1\nfailure 1\npid 0\n", False)])
def test_the_audit_daemon_reads_its_settings_anew_where_it_runs(status: str, told: bool) -> None:
    """It was started by its package, with settings by which it deletes what it recorded."""
    (handler,) = [each for each in read("handlers/main.yml") if "auditd.service" in str(each.get("ansible.builtin.command"))]
    assert handler["listen"] == task("audit", "Audit daemon and its rules, without those that came with the package")["notify"]
    variables = node(__node_baseline_audit_status={"rc": 0, "stdout": status})
    assert all(render("{{ " + condition + " }}", variables) for condition in handler["when"]) is told


# -- shells -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shell", "said"), [("dash", "0027 none"), ("bash", "0027 900")])
def test_what_every_shell_starts_with_is_for_each_of_them(shell: str, said: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    assert program
    start = tmp_path / "node-baseline.sh"
    start.write_text(template("node-baseline.sh.j2", node()))
    words = [program, "-c", f'. {start}; echo "$(umask) ${{TMOUT-none}}"']
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert (done.stdout.strip(), done.stderr) == (said, "")


# -- other systems ----------------------------------------------------------------------------------------------

# What a file for Ubuntu 24.04 would say; it has OpenSSH 9.6 and auditd 3.1.
UBUNTU: dict[str, Any] = {
    **read("vars/os/Debian-13.yml")["__node_baseline_os"],
    "apt": {
        "sources": "/etc/apt/sources.list.d/ubuntu.sources",
        "keyring": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        "components": "main universe",
        "security_suffix": "",
    },
    "audit": {"mode_calls": ["chmod", "fchmod", "fchmodat"]},
    "kernel": {"diverted": []},
    "settings": {
        "ssh": {"key_exchange": ["sntrup761x25519-sha512@openssh.com", "curve25519-sha256"], "socket_activation": True},
        "integrity": {"paths": ["/etc", "/usr/bin"]},
        "time": {"servers": ["ntp.example.org"]},
        "updates": {"mirror": "http://mirror.example.org/ubuntu"},
    },
}


def test_another_system_is_added_by_a_file_of_variables_alone() -> None:
    given: dict[str, Any] = {"__node_baseline_setuid": {"stdout_lines": []}, "__node_baseline_grub_before": {"stdout_lines": []}}
    given["node_baseline_partition"] = {"key": "/tmp", "value": "nodev"}
    variables = node(UBUNTU, ansible_facts=facts(*MOUNTED, distribution="Ubuntu", release="noble"), **given)
    folder = ROLE / "templates"
    made = {str(file.relative_to(folder)): template(str(file.relative_to(folder)), variables) for file in folder.rglob("*.j2")}
    for name, text in made.items():
        assert [word for word in ("debian", "trixie", "mlkem", "fchmodat2", "x86_64") if word in text.lower()] == [], name
    assert "-S chmod,fchmod,fchmodat -F" in made["audit.rules.j2"]
    assert "Suites: noble-security" in made["system.sources.j2"]
    assert made["system.sources.j2"].count("URIs: http://mirror.example.org/ubuntu\n") == 2
    assert render(task("kernel", "Where the parameters are that the system ships")["loop"], variables) == []
    assert render("{{ __node_baseline_ssh_socket }}", variables) is True


def test_a_system_without_a_file_is_refused_by_its_name() -> None:
    """Else it is only said that no file was found."""
    facts = {"ansible_facts": {"distribution": "Debian", "distribution_major_version": "12"}, "inventory_hostname": "old"}
    said = refusal("preflight", "This operating system is known", facts)
    assert said.startswith("old has Debian 12, for which the role has no file in vars/os")
    assert refusal("preflight", "This operating system is known", node()) == ""
    (search,) = task("preflight", "Names of this operating system")["with_first_found"]
    assert search["skip"] is True


def test_what_gives_way_does_so_once_also_where_no_package_has_brought_it() -> None:
    name = "/usr/lib/sysctl.d/50-default.conf"
    loop = task("kernel", "They give way")["loop"]
    for told, left in ((name, 1), (f"{name}.distrib", 0)):
        asked = {"results": [{"item": name, "stdout": told}]}
        assert len(render(loop, node(__node_baseline_diverted=asked))) == left


# -- check mode -------------------------------------------------------------------------------------------------


def test_check_mode_looks_at_modes_and_changes_none() -> None:
    """A task that is left out in check mode would change nothing, by what is said of a node."""
    people = {"getent_passwd": {"lan": ["x", "1001", "1001", "", "/home/lan", "/bin/bash"]}}
    logs, homes = (task("files", name) for name in ("Nobody else reads a log, nor writes one", HOMES))
    for check, acts in ((True, False), (False, True)):
        variables = {**node(ansible_facts=people), "ansible_check_mode": check, **homes["vars"]}
        commands = [render(logs["ansible.builtin.command"], variables)]
        for item in homes["loop"]:
            commands.append(" ".join(render(homes["ansible.builtin.command"]["argv"], variables | {"item": item})))
        assert {"-exec chmod" in command for command in commands} == {acts}
        assert all("-print" in command for command in commands)
    assert {one["check_mode"] for one in (logs, homes)} == {False}


HOMES = "Nobody else looks into a home, or reads what its shells start with"

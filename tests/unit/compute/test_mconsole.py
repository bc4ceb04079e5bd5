"""The management console's protocol, against a socket that answers as a kernel does."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.compute.driver import mconsole
from tests.unit.compute.fakes import KernelSocket

ME = os.geteuid()
Replies = Callable[[str], list[tuple[bool, str]]]


@pytest.fixture
def listen(short_path: Path) -> Iterator[Callable[[Replies], tuple[Path, KernelSocket]]]:
    made: list[KernelSocket] = []

    def make(replies: Replies) -> tuple[Path, KernelSocket]:
        made.append(KernelSocket(short_path / "mconsole", replies))
        return short_path / "mconsole", made[-1]

    yield make
    for kernel in made:
        kernel.close()


def test_an_answer_in_several_parts_is_put_together(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    path, kernel = listen(lambda _: [(False, "Linux "), (False, "7.3"), (False, "\n")])
    assert mconsole.ask(path, "version", ME) == "Linux 7.3"
    assert kernel.heard == ["version"]


def test_a_refusal_carries_the_kernels_words(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    path, _ = listen(lambda _: [(True, "Device is already configured")])
    with pytest.raises(mconsole.ConsoleError, match="Device is already configured") as caught:
        mconsole.ask(path, "config ubd1d=/secret/path,,x", ME)
    assert "/secret/path" not in str(caught.value)
    assert not isinstance(caught.value, mconsole.ConsoleUnreachable)


def test_a_refusal_in_several_parts_is_one(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    path, _ = listen(lambda _: [(True, "Device is "), (False, "busy")])
    with pytest.raises(mconsole.ConsoleError, match="Device is busy"):
        mconsole.ask(path, "remove ubd1", ME)


def test_silence_ends_after_the_timeout(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    path, _ = listen(lambda _: [])
    began = time.monotonic()
    with pytest.raises(mconsole.ConsoleUnreachable, match="no answer"):
        mconsole.ask(path, "stop", ME, timeout=0.2)
    assert time.monotonic() - began < 2


@pytest.mark.timeout(20)
def test_an_answer_without_end_is_given_up(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    """Who took a guest's process over could keep nova-compute, all other instances too, and fill its memory."""
    path, _ = listen(lambda _: [(False, "more")] * 2000)
    with pytest.raises(mconsole.ConsoleUnreachable, match="no end"):
        mconsole.ask(path, "version", ME)


def test_nobody_there_is_told_apart(short_path: Path) -> None:
    with pytest.raises(mconsole.ConsoleUnreachable):
        mconsole.ask(short_path / "absent", "version", ME)


def test_a_command_that_does_not_fit_is_not_sent(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    path, kernel = listen(lambda _: [(False, "")])
    with pytest.raises(mconsole.ConsoleError, match="longer than 511"):
        mconsole.ask(path, "x" * 512, ME)
    assert kernel.heard == []


def test_a_link_to_a_neighbours_kernel_is_not_followed(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    """Who broke out of a guest owns the folder, and would let its neighbour hear what Nova says to it."""
    path, neighbour = listen(lambda _: [(False, "")])
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(mconsole.ConsoleUnreachable, match="not a socket of user"):
        mconsole.ask(link, "remove ubd1", ME, timeout=0.2)
    assert neighbour.heard == []


def test_a_socket_of_another_user_hears_nothing(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    """A link may also be the folder in which the socket lies."""
    path, neighbour = listen(lambda _: [(False, "")])
    with pytest.raises(mconsole.ConsoleUnreachable, match=f"not a socket of user {ME + 1}"):
        mconsole.ask(path, "remove ubd1", ME + 1, timeout=0.2)
    assert neighbour.heard == []


def _lives(pid: int) -> bool:
    """Popen.poll() does not know while another thread waits for the same process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_shutting_down_waits_for_the_end(listen: Callable[[Replies], tuple[Path, KernelSocket]]) -> None:
    guest = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])

    def end() -> None:
        guest.kill()
        guest.wait()

    def obey(command: str) -> list[tuple[bool, str]]:
        assert command == "cad"
        threading.Timer(0.3, end).start()
        return [(False, "")]

    path, kernel = listen(obey)
    mconsole.shut_down(path, guest.pid)
    assert not _lives(guest.pid)
    assert kernel.heard == ["cad"]


def test_a_kernel_that_does_not_listen_yet_is_asked_again(short_path: Path) -> None:
    guest = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    late: list[KernelSocket] = []

    def obey(_: str) -> list[tuple[bool, str]]:
        guest.kill()
        guest.wait()
        return [(False, "")]

    kernel = threading.Timer(0.3, lambda: late.append(KernelSocket(short_path / "mconsole", obey)))
    kernel.start()
    mconsole.shut_down(short_path / "mconsole", guest.pid, patience=0.1)
    assert not _lives(guest.pid)
    kernel.join()
    late[0].close()


def test_the_stop_program_runs_by_itself_and_ends_at_once_without_a_process(short_path: Path) -> None:
    program = Path(mconsole.__file__)
    done = subprocess.run([sys.executable, "-I", program, short_path / "absent"], timeout=20, check=False)
    assert done.returncode == 0

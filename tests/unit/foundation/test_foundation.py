"""Errors, processes, locks, digests, places and progress."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from foundation import digest, lock, places, process, progress, stopping
from foundation.errors import DEBUG, FAULT, INTERRUPTED, BusyError, InputError, LzError, Problem, exit_code, raise_all


def test_a_problem_is_one_block() -> None:
    problem = Problem("it broke", where="file:3", why="first\nsecond", cure="mend it")
    assert str(problem) == "it broke\n  where: file:3\n  why:   first\n         second\n  cure:  mend it"


def test_every_problem_is_raised_at_once() -> None:
    with pytest.raises(InputError) as caught:
        raise_all(Problem(text) for text in ("one", "two"))
    assert [problem.what for problem in caught.value.problems] == ["one", "two"]
    assert caught.value.exit_code == 2
    raise_all([])


def test_output_comes_back() -> None:
    assert process.run(["sh", "-c", "echo $WORD; cat"], env={"WORD": "hello"}, stdin="input") == "hello\ninput"


def test_without_input_a_program_reads_nothing() -> None:
    assert process.run(["cat"], timeout=5) == ""


def test_a_log_has_the_command_and_all_output(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "one.log"
    assert process.run(["sh", "-c", "echo out; echo err >&2"], log=log) == ""
    process.run(["echo", "again"], log=log)
    assert log.read_text() == "$ sh -c 'echo out; echo err >&2'\nout\nerr\n$ echo again\nagain\n"


@pytest.mark.parametrize("with_log", [False, True])
def test_a_failure_has_status_last_lines_and_cure(tmp_path: Path, with_log: bool) -> None:
    log = tmp_path / "log" if with_log else None
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["sh", "-c", "seq 1 50 >&2; exit 7"], log=log, cure="do that")
    problem = caught.value.problems[0]
    assert caught.value.status == 7
    assert problem.why.splitlines() == [str(number) for number in range(39, 51)]
    assert problem.cure == "do that"
    assert problem.where == str(log or "")
    assert caught.value.output.splitlines()[0] == "1"


def test_an_environment_never_shows_in_a_failure() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["false"], env={"SECRET": "hunter2"}, stdin="hunter3")
    assert "hunter" not in str(caught.value)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(LzError, match="the program 'no-such-program' is missing"):
        process.run(["no-such-program"])


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(process.TimedOut, match="no end after 0 s"):
        process.run(["sleep", "30"], timeout=0.1)


def test_a_lock_names_its_holder(tmp_path: Path) -> None:
    with lock.exclusive(tmp_path / "lock", "the work"), pytest.raises(BusyError) as caught, lock.exclusive(tmp_path / "lock", "the work"):
        pytest.fail("two at once")
    assert f"process {os.getpid()}" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_lock_may_be_waited_for(tmp_path: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def holder() -> None:
        with lock.exclusive(tmp_path / "lock", "work"):
            held.set()
            release.wait()

    thread = threading.Thread(target=holder)
    thread.start()
    held.wait()
    threading.Timer(0.3, release.set).start()
    with lock.exclusive(tmp_path / "lock", "work", wait=5):
        assert release.is_set()
    thread.join()


@pytest.mark.timeout(20)
def test_who_waits_for_a_lock_hears_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_told", threading.Event())
    said: list[str] = []
    with lock.exclusive(tmp_path / "lock", "the work"):
        with pytest.raises(KeyboardInterrupt), stopping.heard_by_all(said.append):
            raise KeyboardInterrupt
        with pytest.raises(KeyboardInterrupt), lock.exclusive(tmp_path / "lock", "the work", wait=100):
            pytest.fail("two at once")
    assert len(said) == 1


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (InputError(Problem("bad file", cure="mend it")), 2, "bad file\n  cure:  mend it\n"),
        (KeyboardInterrupt(), INTERRUPTED, "stopped\n  cure:  run the same command again"),
        (OSError(errno.ENOSPC, "no space left", "/srv/file"), 1, "no space is left on the disk\n  where: /srv/file\n"),
        (OSError(errno.EROFS, "Read-only file system", "/srv/file"), 1, "this account may not read or write there\n  where: /srv/file\n"),
        (PermissionError(errno.EPERM, "Operation not permitted"), FAULT, "this is a fault of lz itself\n  why:   PermissionError: "),
        (ValueError("a bug"), FAULT, "this is a fault of lz itself\n  why:   ValueError: a bug\n  cure:  run it again with LZ_DEBUG=1"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/srv/file"),
            1,
            "this account may not read or write there\n  where: /srv/file\n  why:   Permission denied\n  cure:  run it as",
        ),
    ],
)
def test_a_small_program_tells_what_is_wrong_as_one_block(
    error: BaseException, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    assert exit_code(work) == code
    assert capsys.readouterr().err.startswith(told)


def test_a_small_program_shows_where_a_fault_came_from_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> int:
        raise ValueError("a bug")

    monkeypatch.delenv(DEBUG, raising=False)
    assert exit_code(work) == FAULT
    assert "Traceback" not in capsys.readouterr().err
    monkeypatch.setenv(DEBUG, "1")
    assert exit_code(work) == FAULT
    assert "in work\n" in capsys.readouterr().err


def test_a_lock_goes_with_its_holder(tmp_path: Path) -> None:
    code = (
        f"import pathlib, os\nfrom foundation import lock\nwith lock.exclusive(pathlib.Path({str(tmp_path / 'lock')!r}), 'w'): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=places.CHECKOUT, check=False)
    with lock.exclusive(tmp_path / "lock", "the work"):
        assert f"process {os.getpid()}" in (tmp_path / "lock").read_text()


def test_digests_of_texts_keep_their_borders() -> None:
    assert digest.of_texts("ab", "c") != digest.of_texts("a", "bc")
    assert digest.of_texts("a") == digest.of_texts("a")


def test_several_sums_of_one_file_are_those_of_its_whole_content(tmp_path: Path) -> None:
    file = tmp_path / "large"
    file.write_bytes(b"x" * 3_000_001)
    assert digest.sums(file, "sha256", "sha512") == (digest.of_file(file), hashlib.sha512(file.read_bytes()).hexdigest())


def test_the_digest_of_a_tree_sees_names_contents_and_extras_but_no_byte_code(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "__pycache__").mkdir(parents=True)
    (tree / "one").write_text("1")
    first = digest.of_trees([tree])
    (tree / "__pycache__" / "one.pyc").write_text("x")
    assert digest.of_trees([tree]) == first
    assert digest.of_trees([tree], "extra") != first
    (tree / "one").rename(tree / "two")
    assert digest.of_trees([tree]) != first
    (tree / "two").rename(tree / "one")
    assert digest.of_trees([tree]) == first
    (tree / "one").write_text("2")
    assert digest.of_trees([tree]) != first


def test_the_digest_of_a_tree_leaves_out_what_it_is_told_to(tmp_path: Path) -> None:
    tree = tmp_path / "aside" / "tree"
    (tree / "aside").mkdir(parents=True)
    (tree / "one").write_text("1")
    first = digest.of_trees([tree])
    (tree / "aside" / "two").write_text("2")
    assert digest.of_trees([tree]) != first
    assert digest.of_trees([tree], without={"aside"}) == first


def test_the_cache_is_where_the_user_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "mine"))
    assert places.cache("a", "b") == tmp_path / "mine" / "a" / "b"
    assert (tmp_path / "mine" / "a" / "b").is_dir()


def test_the_cache_is_outside_the_checkout_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LZ_CACHE", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert places.cache_root() == Path("/home/somebody/.cache/landing-zone")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert places.cache_root() == Path("/var/cache/landing-zone").resolve()


@pytest.mark.parametrize("named", [True, False])
def test_a_cache_behind_a_link_is_named_as_the_kernel_does(named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mounts in it are looked for by name, and a lab of another name would be another lab."""
    home = tmp_path / "home"
    (tmp_path / "disk").mkdir()
    (home / ".cache").mkdir(parents=True)
    (home / ".cache/landing-zone").symlink_to(tmp_path / "disk")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LZ_CACHE", str(home / ".cache/landing-zone") if named else "")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert places.cache_root() == tmp_path / "disk"


@pytest.mark.parametrize("name", ["my cache", "a:b", "a,b", "a\\b"])
def test_a_cache_that_mounts_cannot_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / name))
    with pytest.raises(InputError, match="the cache's folder has a space"):
        places.cache("a")
    assert not (tmp_path / name).exists()


def test_steps_are_timed_and_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.console, "_file", None)
    seen = progress.Progress()
    with seen.step("first"):
        pass
    with pytest.raises(ValueError, match="no"), seen.step("second [x]"):
        raise ValueError("no")
    told = capsys.readouterr().err
    assert [timing.name for timing in seen.timings] == ["first"]
    assert "first: done in 0.0 s" in told
    assert "second [x]: failed after 0.0 s" in told


def test_a_full_disk_has_a_cure_of_its_own() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["dd", "if=/dev/zero", "of=/dev/full", "bs=1", "count=1"], env={"LC_ALL": "C"}, cure="ask the mirror")
    assert caught.value.problems[0].cure.startswith("free some")


def test_a_long_step_tells_how_far_it_has_come_until_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    counted, enough = itertools.count(1), threading.Event()

    def told() -> str:
        beats = next(counted)
        if beats == 3:
            enough.set()
        return f"{beats} of 9 done"

    with progress.Progress().beating(told, every=0.01):
        assert enough.wait(10)
    said = capsys.readouterr().err
    assert "  1 of 9 done" in said
    assert "  3 of 9 done" in said

"""Download a file so that it is either whole and right, or not there: resumed when cut off, checked, renamed at the end."""

from __future__ import annotations

import contextlib
import errno
import functools
import http
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from foundation import digest, stopping
from foundation.errors import DISK_FULL, DISK_FULL_CURE, InputError, LzError, Problem

CHUNK = 1 << 20
ATTEMPTS = 3
CONNECT_SECONDS = 6.0
_HTTP_RANGE_NOT_SATISFIABLE = 416


class Unreachable(LzError):
    """The network or the server does not give the file; another way of obtaining it may be tried."""


class WrongChecksum(InputError):
    """What arrived is not what was pinned; it has been thrown away."""


def download(url: str, target: Path, sha256: str, timeout: float = CONNECT_SECONDS) -> Path:
    """Fetch `url` to `target`, whose SHA-256 (hex) must be `sha256`; do nothing when it is there already.

    What has arrived before an interruption is kept beside the target and continued by the next call. `timeout` is the
    number of seconds without an answer or any data. Raises Unreachable or WrongChecksum; neither leaves a target.
    """
    if target.is_file() and digest.of_file(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{sha256[:12]}.part")
    continued = part.exists()
    _fill(url, part, timeout)
    if continued and digest.of_file(part) != sha256:
        part.unlink()
        _fill(url, part, timeout)
    found = digest.of_file(part)
    if found != sha256:
        part.unlink()
        raise WrongChecksum(
            Problem(
                f"wrong checksum: {target.name}",
                where=url,
                why=f"pinned SHA-256 {sha256}\nfound          {found}",
                cure="something between here and the server alters the file, or the pin is wrong. It has been deleted.\n"
                "Run again; if it happens again compare with the publisher's list of checksums before you change the pin",
            )
        )
    part.replace(target)
    return target


def text(url: str, timeout: float = CONNECT_SECONDS) -> str:
    """Fetch a small text, asking again when the server hangs up. Raises Unreachable."""
    for _ in range(1, ATTEMPTS):
        with contextlib.suppress(ConnectionError):
            return _text(url, timeout)
    try:
        return _text(url, timeout)
    except ConnectionError as problem:
        raise _unreachable(url, problem) from None


def _text(url: str, timeout: float) -> str:
    """One attempt. Raises Unreachable, or ConnectionError when the server hung up on a connection that it had taken."""
    try:
        with urllib.request.urlopen(_request(url), timeout=timeout) as answer:
            return str(answer.read(CHUNK), errors="replace")
    except ConnectionError:
        raise
    except (OSError, http.client.HTTPException) as problem:
        raise _unreachable(url, problem) from None


def listed_checksum(listing: str, name: str, where: str) -> str:
    """The SHA-256 of `name` in a list with `HEX  NAME` per line. Raises Unreachable when the list does not have it."""
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].lstrip("*") == name and len(words[0]) == 64:
            return words[0].lower()
    raise Unreachable(Problem(f"the publisher's list has no checksum for {name}", where=where))


def _request(url: str, offset: int = 0) -> urllib.request.Request:
    if urlsplit(url).scheme not in {"http", "https"}:
        raise InputError(Problem("not a web address", where=url, cure="use https://"))
    headers = {"User-Agent": "landing-zone-tools"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    return urllib.request.Request(url, headers=headers)


def _unreachable(url: str, problem: Exception) -> Unreachable:
    why = problem if isinstance(problem, urllib.error.HTTPError) else getattr(problem, "reason", problem)
    return Unreachable(
        Problem(
            f"no download from {urlsplit(url).hostname}",
            where=url,
            why=str(why) or type(problem).__name__,
            cure="check the network and the proxy settings (https_proxy), then run again: what has arrived is kept",
        )
    )


def _fill(url: str, part: Path, timeout: float) -> None:
    """Bring `part` to its end, asking again for the rest when the connection breaks."""
    for attempt in range(1, ATTEMPTS + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            _append(url, part, before, timeout)
        except urllib.error.HTTPError as problem:
            if problem.code == _HTTP_RANGE_NOT_SATISFIABLE and before:
                return
            raise _unreachable(url, problem) from None
        except (OSError, http.client.HTTPException) as problem:
            if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:  # no other source of the file needs less room
                raise LzError(Problem(DISK_FULL, where=str(part), cure=DISK_FULL_CURE)) from None
            arrived = part.stat().st_size if part.exists() else 0
            hung_up = isinstance(problem, ConnectionError)  # a refused connection comes as URLError: that no is final
            if (arrived == before and not hung_up) or attempt == ATTEMPTS:
                raise _unreachable(url, problem) from None
        else:
            return


def _append(url: str, part: Path, offset: int, timeout: float) -> None:
    with urllib.request.urlopen(_request(url, offset), timeout=timeout) as answer:
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        with part.open("ab" if resumed else "wb") as stream:
            for block in iter(functools.partial(answer.read1, CHUNK), b""):
                stream.write(block)
                stopping.pause(0)
            stream.flush()
            os.fsync(stream.fileno())
        if answer.length:
            raise http.client.IncompleteRead(b"", answer.length)

"""A web server on this machine that can be told to misbehave, and small stand-ins for pinned programs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tools.pins import Artefact, Build, Release


@dataclass
class Site:
    """What the server serves. `cut_after`: bytes sent before it hangs up, one entry per answer, None for all of them.

    hang_up: how many requests are not answered at all.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    status: int = 0
    ranges: bool = True
    cut_after: list[int | None] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hang_up: int = 0


@pytest.fixture
def site() -> Iterator[Site]:
    known = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            known.asked.append(wanted)
            if known.hang_up:
                known.hang_up -= 1
                return
            content = known.files.get(self.path)
            if known.status or content is None:
                self.send_error(known.status or 404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and known.ranges else 0
            if start and start >= len(content):
                self.send_error(416)
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: known.cut_after.pop(0) if known.cut_after else None])

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield known
    server.shutdown()
    server.server_close()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a machine that has no Pulumi of its own."""
    monkeypatch.setenv("LZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    return tmp_path / "cache"


@pytest.fixture
def program(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Artefact:
    """A pinned program called `greeter`, version 1.2.3, whose release would lie on `site`."""
    modules = tmp_path / "go"
    (modules / "greeter").mkdir(parents=True)
    (modules / "greeter" / "go.mod").write_text("module example.invalid/greeter\n")
    monkeypatch.setattr("tools.pins.GO_MODULES", modules)
    return Artefact(
        name="greeter",
        kind="cli",
        version="1.2.3",
        binary="greeter",
        version_command=("version",),
        release=Release(
            url=f"{site.url}/greeter-{{version}}-{{arch}}.tar.gz",
            checksums=f"{site.url}/checksums.txt",
            keep=("greeter", "greeter-helper"),
            arch={"amd64": "x64", "arm64": "arm64"},
        ),
        build=Build(module="greeter", package=".", tags=("a", "b"), variables={"main.version": "v{version}"}),
    )

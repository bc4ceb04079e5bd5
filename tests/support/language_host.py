"""A language host for tests: what `pulumi up` has Pulumi's own for, which cannot be built from Go modules.

The engine starts it by the name `pulumi-language-python`, reads its port, and has it run the program of Pulumi.yaml, of which it knows
nothing. The engine's library has the rest of it, for programs that are given as functions.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

LARGEST_MESSAGE = 400 * 1024 * 1024  # bytes, as the engine has it


class Host(LanguageServer):
    """Runs the program that is asked for by path, as __main__. `engine`: the address at which the engine takes messages."""

    def __init__(self, engine: str) -> None:
        self.engine = engine

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of the call
        """One run of the program, in the folder that the engine names."""
        path = Path(request.info.program_directory, request.info.entry_point)

        def program() -> None:
            runpy.run_path(str(path), run_name="__main__")

        self.program = program
        request.args[:] = [self.engine]
        os.chdir(request.pwd)
        return super().Run(request, context)  # type: ignore[no-untyped-call]


def main(engine: str) -> None:
    """Serve on loopback until the engine that started this is gone."""
    parent = os.getppid()
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)])
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(engine), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    with suppress(KeyboardInterrupt):  # how an engine whose work has failed begins to end it
        while os.getppid() == parent:
            time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[-1])

"""A log collector for tests: takes TLS connections side by side and prints what comes. A sender may well open several at once.

python -m tests.nodes.listener ADDRESS PORT CERTIFICATE KEY
"""

from __future__ import annotations

import socketserver
import ssl
import sys


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection, its handshake too: one that is silent keeps nobody else waiting."""

    allow_reuse_address = True
    daemon_threads = True


class Printer(socketserver.BaseRequestHandler):
    """What one sender says goes to standard output, line by line."""

    context: ssl.SSLContext

    def handle(self) -> None:
        """Until the sender ends."""
        with self.context.wrap_socket(self.request, server_side=True) as stream, stream.makefile("rb") as lines:
            for line in lines:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()


def main(address: str, port: str, certificate: str, key: str) -> None:
    """Listen until killed."""
    Printer.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    Printer.context.load_cert_chain(certificate, key)
    with Server((address, int(port)), Printer) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

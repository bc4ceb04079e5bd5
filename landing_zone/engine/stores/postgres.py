"""State in a table of PostgreSQL: `postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full`.

The password is where libpq and the engine find it: the file that PGPASSFILE names (0600), or PGPASSWORD of the shell. Objects
are read and written by `psql`, a row each, in the form of the engine: a JSON document with the contents in base64.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from foundation import process
from foundation.errors import InputError, LzError, Problem

DEFAULT_TABLE = "pulumi_state"
TIMEOUT = 60.0  # seconds for one script
KEY = re.compile(r"[A-Za-z0-9._/-]*")
FORM = """CREATE TABLE IF NOT EXISTS {table} (
    key TEXT PRIMARY KEY, data JSON NOT NULL, updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS {table}_key_prefix_idx ON {table} (key text_pattern_ops);
"""  # as the engine has it: a restore may come before its first call
CURE = "does the server run, is the password in the file that PGPASSFILE names, and may the user make tables in the database?"


@dataclass(frozen=True)
class Table:
    """A store in a table. `folder`: what the engine lets all keys begin with, the name of the database."""

    url: str
    table: str
    folder: str

    @classmethod
    def of(cls, url: str) -> Table:
        """The table of an address that the model has checked."""
        name = dict(parse_qsl(urlsplit(url).query)).get("table", DEFAULT_TABLE)
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            raise InputError(Problem(f"{name!r} is no name for a table", "key state.url", cure="use a-z, 0-9 and _"))
        return cls(url, name, f"{urlsplit(url).path.strip('/')}/".lstrip("/"))

    @property
    def settings(self) -> Mapping[str, str]:
        """None: the engine reads PGPASSFILE itself."""
        return {}

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted."""
        found = self._ask(f"SELECT key FROM {self.table} WHERE starts_with(key, '{self._plain(prefix)}')")  # noqa: S608
        return sorted(key.removeprefix(self.folder) for key in found.split())

    def read(self, key: str) -> bytes | None:
        """What lies under a key; None when there is nothing."""
        found = self._ask(f"SELECT data->>'data' FROM {self.table} WHERE key = '{self._plain(key)}'").strip()  # noqa: S608
        return base64.b64decode(found) if found else None

    def write(self, key: str, data: bytes) -> None:
        """Put something under a key, whole or not at all."""
        text = f"""'{{"data":"{base64.b64encode(data).decode()}"}}'"""
        row = f"INSERT INTO {self.table} (key, data) VALUES ('{self._plain(key)}', {text})"  # noqa: S608
        self._run(f"{FORM.format(table=self.table)}{row} ON CONFLICT (key) DO UPDATE SET data = excluded.data, updated_at = now();\n")

    def remove(self, key: str) -> None:
        """Remove what lies under a key, if anything does."""
        self._ask(f"DELETE FROM {self.table} WHERE key = '{self._plain(key)}'")  # noqa: S608

    def _ask(self, statement: str) -> str:
        """What `psql` prints; "" while there is no table, which the first write makes."""
        return self._run(f"SELECT to_regclass('{self.table}') IS NOT NULL AS there \\gset\n\\if :there\n{statement};\n\\endif\n")

    def _run(self, script: str) -> str:
        """What `psql` prints. The script goes to its standard input: its arguments can be seen by everybody."""
        parts = urlsplit(self.url)
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "table"])
        address = urlunsplit(parts._replace(query=query))
        command = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--no-password", "--set=ON_ERROR_STOP=1", address]
        try:
            return process.run(command, stdin=script, timeout=TIMEOUT, cure="install postgresql-client")
        except process.CommandFailed as error:
            raise LzError(Problem("the store of the state refuses", address, error.output.strip(), CURE)) from None

    def _plain(self, key: str) -> str:
        """The whole key. The engine's have none but harmless characters; LzError for any other, which could change a statement."""
        if not KEY.fullmatch(self.folder + key):
            raise LzError(Problem(f"{self.folder + key!r} is no key of the engine's state", cure="use a database with a plain name"))
        return self.folder + key

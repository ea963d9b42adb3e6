"""One connection to PostgreSQL over asyncpg, which must be installed for it (pip install 'perfgate[pgvector]')."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from perfgate.address import Address
from perfgate.errors import InputError
from perfgate.targets.protocol import ERROR, VALUE, Call

try:
    import asyncpg
except ImportError as error:
    raise InputError("adapter pgvector needs asyncpg: pip install 'perfgate[pgvector]'") from error

COPY = "copy"
"""A call of this name has (table, rows) as its arguments, once for each table; all others name a statement."""
COLUMNS = ("id", "body", "embedding")
SOCKET = ".s.PGSQL."


class PgvectorSession:
    """Statements are prepared when they are first called, or before that by `get_ready`.

    A body is JSON: the rows as lists, or, where a statement has none, what it says of itself (`INSERT 0 1`); of an error
    its SQLSTATE and its text.
    """

    def __init__(self, connection: Any, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements
        self._prepared: dict[str, Any] = {}

    @classmethod
    async def open(
        cls, address: Address, tls: ssl.SSLContext | None, user: str, database: str, settings: Mapping[str, str],
        statements: Mapping[str, str],
    ) -> PgvectorSession:  # fmt: skip
        """Raises OSError when the server does not let it in. A password is taken from PGPASSWORD or ~/.pgpass."""
        host, port = _host_and_port(address)
        try:
            connection = await asyncpg.connect(
                host=host, port=port, user=user, database=database, ssl=tls or False, server_settings=dict(settings)
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise ConnectionRefusedError(f"{type(error).__name__}: {error}") from error
        return cls(connection, statements)

    async def get_ready(self, ahead: Sequence[str]) -> None:
        """Whatever calls need that can be had before the first one. Without its schema a store has none of it yet. Raises
        OSError."""
        with contextlib.suppress(ValueError, asyncpg.UndefinedTableError):
            # Vectors travel in pgvector's own binary form; see `binary` of perfgate.targets.pgvector.
            await self._connection.set_type_codec(
                "vector", schema="public", format="binary", encoder=bytes, decoder=bytes
            )
            for name in ahead:
                await self._prepare(name)

    async def call(self, call: Call) -> tuple[int, bytes]:
        try:
            if call.name == COPY:
                return VALUE, orjson.dumps([await self._copy(*part) for part in call.arguments])
            statement = self._prepared.get(call.name) or await self._prepare(call.name)
            rows = await statement.fetch(*call.arguments)
        except asyncpg.PostgresConnectionError as error:
            raise ConnectionResetError(str(error)) from error
        except asyncpg.PostgresError as error:
            return ERROR, orjson.dumps(f"{error.sqlstate} {error}")
        except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            if self.closed:
                raise ConnectionResetError(str(error)) from error
            raise ValueError(f"{type(error).__name__}: {error}") from error
        return VALUE, orjson.dumps(list(map(tuple, rows)) or _said(statement))

    def abort(self) -> None:
        self._connection.terminate()

    @property
    def closed(self) -> bool:
        return bool(self._connection.is_closed())

    def when_closed(self, tell: Callable[[], None]) -> None:
        self._connection.add_termination_listener(lambda connection: tell())

    async def _prepare(self, name: str) -> Any:
        prepared = self._prepared[name] = await self._connection.prepare(self._statements[name])
        return prepared

    async def _copy(self, table: str, rows: Sequence[tuple[str, str, bytes]]) -> str:
        said: str = await self._connection.copy_records_to_table(table, records=rows, columns=COLUMNS)
        return said


def _said(statement: Any) -> list[Any] | str:
    """No rows: of a search, or of a statement that has none."""
    said: str = statement.get_statusmsg()
    return [] if said.startswith(("SELECT", "EXPLAIN")) else said


def _host_and_port(address: Address) -> tuple[str, int]:
    """libpq's rule for Unix sockets: DIRECTORY/.s.PGSQL.PORT."""
    if not address.path:
        return address.host, address.port
    path = Path(address.path)
    port = path.name.removeprefix(SOCKET)
    if not path.name.startswith(SOCKET) or not port.isdigit():
        raise FileNotFoundError(f"{address}: PostgreSQL's Unix sockets are named {SOCKET}PORT")
    return str(path.parent), int(port)

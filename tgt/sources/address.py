"""How the place of a ClickHouse is written, and what is refused of it.

An address stands in settings, in cards' evidence and on terminals, so it never holds a password;
and what it names is reached through TLS unless it is this machine or somebody said otherwise.
Nothing is connected to here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

ACCEPTED = (
    "clickhouse:https://USER@HOST:PORT/DATABASE (the password in TASKGEN_CLICKHOUSE_PASSWORD),"
    " clickhouse:http://… of this machine or with ?tls=off, clickhouse:chdb:///PATH"
)
_PORTS = {"https": 8443, "http": 8123}
_LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SCHEMAS = ("otel", "langfuse")
_TABLES = ("traces", "logs")
_OPTIONS = frozenset(("schema", "tls", "ca", "seconds", "database", *_TABLES))
_MOST_SECONDS = 3600


@dataclass(frozen=True)
class Address:
    """Where a ClickHouse is: a server, or the directory ``path`` of an embedded one.

    ``schema`` is what its tables are, where somebody said so; ``traces`` and ``logs`` are what the
    tables of an exporter are called, ``seconds`` how long one query may take.
    """

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    database: str = "default"
    path: str = ""
    schema: str = ""
    traces: str = "otel_traces"
    logs: str = "otel_logs"
    seconds: int = 60
    ca: str = ""

    @property
    def is_embedded(self) -> bool:
        return self.scheme == "chdb"

    def __str__(self) -> str:
        """Where it is, as people call it."""
        if self.is_embedded:
            return f"chdb://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


def address_of(text: str, options: Mapping[str, str]) -> Address:
    """The address that is written so. Raises ValueError saying what is accepted."""
    if not options.keys() <= _OPTIONS:
        raise ValueError(f"{ACCEPTED}; of options {', '.join(sorted(_OPTIONS))}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(ACCEPTED) from None
    if parts.password is not None:
        raise ValueError("an address without a password, which TASKGEN_CLICKHOUSE_PASSWORD holds")
    values = _options(options)
    if parts.scheme == "chdb" and not parts.netloc and parts.path.strip("/"):
        return Address("chdb", path=unquote(parts.path), **values)
    if parts.scheme not in _PORTS or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(ACCEPTED)
    if parts.scheme == "http" and parts.hostname not in _LOCAL and options.get("tls") != "off":
        raise ValueError(
            "https:// for another machine, or ?tls=off behind it where nobody listens on the way"
        )
    database = unquote(parts.path.strip("/"))
    if database:
        values["database"] = _named("database", database)
    return Address(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        **values,
    )


def _options(options: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in options.items():
        if name == "schema" and value not in _SCHEMAS:
            raise ValueError(f"?schema={' or ?schema='.join(_SCHEMAS)}")
        if name == "tls" and value not in {"on", "off"}:
            raise ValueError("?tls=on or ?tls=off")
        if name in {*_TABLES, "database"}:
            _named(name, value)
        if name == "seconds":
            values[name] = _seconds(value)
        elif name != "tls":
            values[name] = value
    return values


def _named(what: str, value: str) -> str:
    """A name that stands in statements as it is."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"for {what} a name of letters, digits and underscores")
    return value


def _seconds(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value) <= _MOST_SECONDS:
        raise ValueError(f"?seconds= with a whole number from 1 to {_MOST_SECONDS}")
    return int(value)

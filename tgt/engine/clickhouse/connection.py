"""One connection to a ClickHouse: it only reads, each query within limits, and says in one line
what went wrong.

What may be tried again is tried again, with time in between; a server that stays away fails the
run, and the next one reads what this one missed. Nothing that a server answers is trusted: of what
it says about a failure one bounded line is told.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from tgt.errors import SettingsError, TelemetryError, TgtError
from tgt.sources.address import Address

T = TypeVar("T")

_EXTRA = "pip install 'tgt[clickhouse]'"
_PASSWORD = "TASKGEN_CLICKHOUSE_PASSWORD"  # noqa: S105 the name of a setting
_CONNECT_SECONDS = 10
_SLACK_SECONDS = 10
"""A server is given so much longer to say that a query took too long."""
_PAUSES = (0.5, 2.0)
_MEMORY_BYTES = 4_000_000_000
_SPILL_BYTES = 1_000_000_000
_MOST_ROWS = 2_000_000_000
_MOST_BYTES = 2_000_000_000
_WRITTEN = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_parquet_string_as_string": 1,
}
_LONGEST = 200
_CODE = re.compile(r"\bCode: (\d+)\b")
_CAUSE = re.compile(
    r"\[Errno -?\d+\] ([^'\"()]+)|((?:[Rr]ead|Connection \w+) timed out)|\[SSL: \w+\] ([^'\"()]+)"
)
_UNTRUSTED = "certificate verify failed"
_AROUND = re.compile(r"^(?:.*?DB::Exception: )+|\s*\((?:version|for url) .*$", re.DOTALL)

_READ_ONLY = 164
_DENIED, _NO_TABLE, _NO_DATABASE = 497, 60, 81
_UNKNOWN_USER, _WRONG_PASSWORD, _NOT_AUTHENTICATED = 192, 193, 516
_TOO_SLOW, _TOO_MUCH_MEMORY, _TOO_MANY_ROWS, _TOO_LARGE = 159, 241, 158, 396
_AGAIN = frozenset((202, 203, 209, 210, 279, 999))
"""Too many queries at once, and what is wrong with a network or a keeper for a moment."""


class QueryError(TelemetryError):
    """A query failed; ``code`` is ClickHouse's own number of the failure, if it is one of its."""

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code

    @property
    def is_about_the_table(self) -> bool:
        """Whether there is no such table, or not for this user."""
        return self.code in {_DENIED, _NO_TABLE, _NO_DATABASE}


@dataclass
class Connection:
    """Where questions are asked. Use as a context manager. ``asked`` is told each statement."""

    address: Address
    password: str = field(default="", repr=False)
    wait: Callable[[float], None] = time.sleep
    asked: Callable[[str], None] = field(default=lambda _: None, repr=False)
    _client: Any = field(default=None, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(Exception):
                self._client.close()
            self._client = None

    # --- asking ----------------------------------------------------------------------------------

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """All rows of a statement with few of them. Raises TelemetryError, as all do."""

        def ask() -> list[tuple[Any, ...]]:
            result = self._opened().query(statement)
            return [tuple(row) for row in result.result_rows]

        return self._tried(statement, ask)

    def rows(self, statement: str) -> Iterator[list[Any]]:
        """The rows of a statement with many of them. All have come before the first is given: what
        is done with them may take longer than a query may."""
        data = self._raw(statement, "JSONCompactEachRow")
        for line in io.BytesIO(data):
            yield json.loads(line.decode("utf-8", "replace"))

    def rows_of(self, statement: str) -> int:
        """How many rows the server would look at to answer a statement."""
        if not statement.lstrip().startswith(("SELECT", "WITH")):
            return 0
        return sum(int(row[3]) for row in self.run(f"EXPLAIN ESTIMATE {statement}"))

    def parquet(self, statement: str) -> bytes:
        """The rows of a statement as a Parquet file."""
        return self._raw(statement, "Parquet")

    def _raw(self, statement: str, form: str) -> bytes:
        def ask() -> bytes:
            return bytes(self._opened().raw_query(statement, fmt=form, settings=_WRITTEN))

        return self._tried(statement, ask)

    def _tried(self, statement: str, ask: Callable[[], T]) -> T:
        self.asked(statement)
        for pause in (*_PAUSES, None):
            try:
                return ask()
            except TgtError:
                raise
            except Exception as failure:  # noqa: BLE001 drivers raise what their libraries do
                told = self._told(failure)
                if pause is None or not _may_pass(failure):
                    raise told from None
                self.close()
                self.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    # --- opening ---------------------------------------------------------------------------------

    def _opened(self) -> Any:
        if self._client is None:
            self._client = self._open()
        return self._client

    def _open(self) -> Any:
        try:
            import clickhouse_connect
            from clickhouse_connect import common
        except ImportError:
            raise SettingsError(
                f"TASKGEN_SOURCE names {self.address}, and clickhouse-connect is not installed",
                hint=_EXTRA,
            ) from None
        address = self.address
        if address.ca:
            _readable(address.ca)
        if address.is_embedded and not Path(address.path).is_dir():
            # An engine would make it, and what reads makes nothing.
            raise TelemetryError(f"{address} is not there", hint="name the directory of a chDB")
        # What it would say on standard error is told in our words.
        logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
        # Of a user whose settings are fixed the server's own limits hold.
        common.set_setting("invalid_setting_action", "drop")
        common.set_setting("autogenerate_session_id", False)
        settings = {
            "readonly": 2,  # reads, and may be told limits
            "max_execution_time": address.seconds,
            "timeout_overflow_mode": "throw",
            "max_memory_usage": _MEMORY_BYTES,
            "max_bytes_before_external_sort": _SPILL_BYTES,
            "max_bytes_before_external_group_by": _SPILL_BYTES,
            "max_rows_to_read": _MOST_ROWS,
            "read_overflow_mode": "throw",
            "max_result_bytes": _MOST_BYTES,
            "distributed_product_mode": "global",
        }
        if not address.is_embedded:
            # Whatever fails, fails before anything was sent.
            settings["wait_end_of_query"] = 1
        if address.is_embedded:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=address.path,
                database=address.database,
                # Settings that are only to be read can be set no more, so this comes last.
                settings={**settings, "readonly": settings.pop("readonly")},
            )
        return clickhouse_connect.get_client(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            username=address.user or None,
            password=self.password,
            database=address.database,
            settings=settings,
            connect_timeout=_CONNECT_SECONDS,
            send_receive_timeout=address.seconds + _SLACK_SECONDS,
            query_retries=0,
            ca_cert=address.ca or None,
        )

    # --- what went wrong -------------------------------------------------------------------------

    def _told(self, failure: Exception) -> QueryError:
        code = _code(failure)
        message, hint = self._explained(code, _line(failure))
        return QueryError(message, hint=hint, code=code)

    def _explained(self, code: int | None, said: str) -> tuple[str, str]:
        """What happened, and what to do."""
        where = str(self.address)
        if code in {_UNKNOWN_USER, _WRONG_PASSWORD, _NOT_AUTHENTICATED}:
            user = self.address.user or "default"
            hint = f"set {_PASSWORD}, or name another user in TASKGEN_SOURCE"
            return f"{where} does not accept the user {user} with this password", hint
        if code == _DENIED:
            hint = "let the user read it: GRANT SELECT ON DATABASE.TABLE TO USER"
            return f"{where} does not let this user read: {said}", hint
        if code in {_NO_TABLE, _NO_DATABASE}:
            hint = "name the database behind the port, and tables by ?traces= and ?logs="
            return f"{where} has no such table: {said}", hint
        if code in {_TOO_SLOW, _TOO_MUCH_MEMORY, _TOO_MANY_ROWS, _TOO_LARGE}:
            hint = "docs/clickhouse.md says which indexes help; ?seconds= lets a query take longer"
            return f"a query of {where} went beyond its limits: {said}", hint
        if code is not None:
            return f"{where} refuses a query: {said}", ""
        if said.startswith(_UNTRUSTED):
            message, hint = f"{where} is not trusted: {said}", "name its authority by ?ca=FILE"
        else:
            message, hint = (
                f"cannot reach {where}: {said}",
                "the next run reads what this one missed",
            )
        return message, hint


def _code(failure: Exception) -> int | None:
    """The number of ClickHouse's own failure; None for one of the way to it."""
    match = _CODE.search(str(failure))
    return int(match[1]) if match else None


def _may_pass(failure: Exception) -> bool:
    code = _code(failure)
    return code in _AGAIN or (code is None and _UNTRUSTED not in str(failure))


def _readable(certificate: str) -> None:
    """Raises SettingsError unless a file can be read."""
    try:
        with Path(certificate).open("rb"):
            pass
    except OSError as error:
        raise SettingsError(
            f"?ca={certificate} of TASKGEN_SOURCE cannot be read: {error.strerror}"
        ) from None


def _line(failure: Exception) -> str:
    """What a failure says, as one bounded and printable line; of one on the way its cause."""
    causes = _CAUSE.findall(str(failure)) if _code(failure) is None else ()
    said = max(causes[-1]) if causes else _AROUND.sub("", str(failure)) or type(failure).__name__
    line = "".join(c if c.isprintable() else " " for c in said)
    line = " ".join(line.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"

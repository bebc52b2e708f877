"""What goes wrong between here and a server: one clear line, no password in it, nothing lost.

The servers of these tests are sockets that hang, close, or answer with ClickHouse's own failures.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from engine.clickhouse.databases import PASSWORD, Database
from engine.clickhouse.exporter import SPAN_COLUMNS
from engine.clickhouse.test_clickhouse_reading import span

from tgt import config, cycle
from tgt.engine.clickhouse import reading
from tgt.engine.clickhouse.connection import Connection
from tgt.engine.clickhouse.reading import Intake
from tgt.errors import SettingsError, TelemetryError
from tgt.sources.address import address_of
from tgt.sources.registry import open_sources
from tgt.sources.spec import parse

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
SECRET = "swordfish-7531"


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """The port of an HTTP server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer(self)

        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        try:
            yield made.server_address[1]
        finally:
            made.shutdown()
            thread.join()


def fails(status: int, text: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        code = text.partition("Code: ")[2].partition(".")[0]
        data = text.encode()
        handler.send_response(status)
        handler.send_header("X-ClickHouse-Exception-Code", code)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def asked(port: int, seconds: int = 1) -> tuple[TelemetryError, list[float]]:
    """How a query of a server fails, and how long was waited between attempts."""
    waits: list[float] = []
    address = address_of(f"http://reader@localhost:{port}/otel", {"seconds": str(seconds)})
    connection = Connection(address, SECRET, wait=waits.append)
    with connection, pytest.raises(TelemetryError) as failure:
        connection.run("SELECT 1")
    assert SECRET not in str(failure.value)
    assert SECRET not in repr(connection)
    assert "\n" not in str(failure.value)
    assert len(str(failure.value)) < 600
    return failure.value, waits


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("Code: 516. DB::Exception: reader: Authentication failed: password is incorrect",
         "does not accept the user reader", "TASKGEN_CLICKHOUSE_PASSWORD"),
        ("Code: 497. DB::Exception: reader: Not enough privileges. To execute this query, it's"
         " necessary to have the grant SELECT ON otel.otel_traces. (ACCESS_DENIED)",
         "does not let this user read", "GRANT SELECT"),
        ("Code: 60. DB::Exception: Unknown table expression identifier 'otel_traces'.",
         "no such table", "?traces="),
        ("Code: 159. DB::Exception: Timeout exceeded: elapsed 61 seconds, maximum: 60.",
         "beyond its limits", "?seconds="),
        ("Code: 241. DB::Exception: Memory limit (for query) exceeded: would use 4.00 GiB",
         "beyond its limits", "docs/clickhouse.md"),
        ("Code: 47. DB::Exception: \x1b[31m" + "long " * 500, "refuses a query", ""),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_told_and_not_tried_again(text: str, says: str, hint: str) -> None:
    with server(fails(500, text)) as port:
        failure, waits = asked(port)
    assert says in failure.message
    assert hint in failure.hint
    assert "\x1b" not in str(failure)
    assert waits == []


def test_too_many_queries_at_once_are_tried_again() -> None:
    with server(fails(500, "Code: 202. DB::Exception: Too many simultaneous queries.")) as port:
        failure, waits = asked(port)
    assert "Too many simultaneous queries" in failure.message
    assert len(waits) == 2
    assert waits[0] < waits[1]


@contextmanager
def listening(then: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that does something with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    made, _ = listener.accept()
                except OSError:
                    return
                held.append(made)
                then(made)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in held:
                each.close()


def _in_the_middle(made: socket.socket) -> None:
    made.recv(65536)
    made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nNative")
    made.close()


def test_a_server_that_dies_in_the_middle_is_tried_again_and_told() -> None:
    with listening(_in_the_middle) as port:
        failure, waits = asked(port)
    assert failure.message.startswith(f"cannot reach http://localhost:{port}/otel")
    assert "next run" in failure.hint
    assert len(waits) == 2


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgt.engine.clickhouse.connection._SLACK_SECONDS", 0)
    with listening(lambda _: None) as port:
        failure, _ = asked(port)
    assert failure.message.startswith("cannot reach")


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    failure, waits = asked(port)
    assert failure.message == f"cannot reach http://localhost:{port}/otel: Connection refused"
    assert len(waits) == 2


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    connection = Connection(address_of(f"chdb://{path}", {}))
    with connection, pytest.raises(TelemetryError, match="is not there"):
        connection.run("SELECT 1")
    assert not path.exists()


def test_files_beside_a_server_and_a_server_among_files_are_refused(tmp_path: Path) -> None:
    settings = config.load(
        {"TASKGEN_SOURCE": "clickhouse:http://localhost:1/x,contextlog", "FGK_TASKS_DIR": tmp_path},
        environ={},
    )
    with pytest.raises(SettingsError, match="stands alone"):
        cycle.run(settings, NOW)
    with pytest.raises(SettingsError, match=r"docs/clickhouse\.md"):
        open_sources(parse("clickhouse:http://localhost:1/x"), tmp_path)


# --- runs -----------------------------------------------------------------------------------------


def test_a_run_that_breaks_off_keeps_what_it_had_read_and_the_next_reads_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week is read an hour at a time. The server dies at the third hour."""
    database = Database("broken")
    database.create()
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": "m"}
    rows = [
        span(NOW - timedelta(minutes=10 * n + 1), n + 1, 1, "chat m", **chat) for n in range(80)
    ]
    database.insert("otel_traces", rows, SPAN_COLUMNS)
    read: list[int] = []
    whole = Intake.read_slice
    monkeypatch.setattr(reading, "_FEW_ROWS", 1)

    def dies(self: Intake, *arguments: Any) -> None:
        read.append(1)
        if len(read) == 3:
            raise TelemetryError("cannot reach it", hint="the next run reads what this one missed")
        whole(self, *arguments)

    given = {"TASKGEN_SOURCE": database.source, "TASKGEN_CLICKHOUSE_PASSWORD": PASSWORD}
    settings = config.load({**given, "FGK_TASKS_DIR": str(tmp_path)}, environ={})
    monkeypatch.setattr(Intake, "read_slice", dies)
    with pytest.raises(TelemetryError, match="cannot reach"):
        cycle.run(settings, NOW)
    first = len(read)

    def counted(self: Intake, *arguments: Any) -> None:
        read.append(1)
        whole(self, *arguments)

    monkeypatch.setattr(Intake, "read_slice", counted)
    with database.timeline(NOW, tmp_path / "cache") as timeline:
        assert timeline.database.value("SELECT count(*) FROM events") == 80
    assert 10 < len(read) - first < 17, "hours that were read are not read again"


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "accepted"),
    [
        (f"clickhouse:https://reader:{SECRET}@host:8443/otel", "TASKGEN_CLICKHOUSE_PASSWORD"),
        ("clickhouse:http://host:8123/otel", "?tls=off"),
        ("clickhouse:ftp://host", "clickhouse:https://USER@HOST"),
        ("clickhouse:", "clickhouse:https://USER@HOST"),
        ("clickhouse:https://host/otel;DROP", "letters, digits and underscores"),
        ("clickhouse:https://host?traces=a b", "letters, digits and underscores"),
        ("clickhouse:https://host?schema=other", "?schema=otel"),
        ("clickhouse:https://host?seconds=0", "?seconds="),
        ("clickhouse:https://host?other=1", "of options"),
        ("clickhouse:https://host:x", "clickhouse:https://USER@HOST"),
    ],
)
def test_an_address_that_is_not_usable_is_refused_without_its_password(
    written: str, accepted: str
) -> None:
    with pytest.raises(SettingsError) as failure:
        config.load({"TASKGEN_SOURCE": written}, environ={})
    assert accepted in str(failure.value)
    assert SECRET not in str(failure.value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("clickhouse:https://reader@host:8443/otel", "https://host:8443/otel"),
        ("clickhouse:https://host", "https://host:8443/default"),
        ("clickhouse:http://localhost", "http://localhost:8123/default"),
        ("clickhouse:http://[::1]:9000/x", "http://[::1]:9000/x"),
        ("clickhouse:http://host?tls=off", "http://host:8123/default"),
        ("clickhouse:chdb:///var/lib/x?database=y", "chdb:///var/lib/x"),
    ],
)
def test_addresses(written: str, shown: str) -> None:
    (spec,) = parse(written)
    assert str(spec) == written
    assert str(spec.address) == shown


def test_a_password_is_used_and_never_shown() -> None:
    settings = config.load({"TASKGEN_CLICKHOUSE_PASSWORD": SECRET}, environ={})
    assert settings.clickhouse_password.text == SECRET
    assert SECRET not in repr(settings)
    told = config.effective(settings)
    assert told["TASKGEN_CLICKHOUSE_PASSWORD"] == "…"
    assert config.effective(config.load({}, environ={}))["TASKGEN_CLICKHOUSE_PASSWORD"] == ""


def test_a_password_is_sent_over_tls_and_loopback_only() -> None:
    for written in ("clickhouse:http://10.0.0.7", "clickhouse:http://localhost.example.org"):
        with pytest.raises(SettingsError):
            config.load({"TASKGEN_SOURCE": written}, environ={})

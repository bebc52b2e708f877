"""ClickHouse's HTTP interface in front of an embedded engine: the driver, TLS, users and their
rights are met as on a server, with the answers, settings and failures of the real engine.

What an embedded engine has none of is made here: who may come in (``USERS``; the rights of each are
a role of the engine), and what goes wrong on the way.

    PYTHONPATH=tests python -m engine.clickhouse.server --port 8443

serves a directory of its own with TLS until it is interrupted, and says how tests are told of it.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from engine.clickhouse.certificates import certified

SECRET = "swordfish-7531"
_OF_THE_WAY = frozenset(
    (
        *("query", "database", "query_id", "session_id", "wait_end_of_query", "buffer_size"),
        *("compress", "decompress", "client_protocol_version", "default_format", "quota_key"),
    )
)
"""What an address tells besides settings."""
_STATUS = {516: 403, 497: 403, 60: 404, 81: 404, 62: 400, 47: 400}
_INSERTED = re.compile(rb"\s*(INSERT INTO .*?) FORMAT (\w+)\n(.*)", re.DOTALL)
_CONFIGURATION = "<clickhouse><users_config>{}</users_config></clickhouse>"


@dataclass(frozen=True)
class User:
    """``role`` is what may be done; where ``is_fixed``, settings may not be changed."""

    role: str
    password: str = SECRET
    is_fixed: bool = False


USERS: Mapping[str, User] = {
    "owner": User("everything"),
    "reader": User("reads_telemetry"),
    "fixed": User("reads_telemetry", is_fixed=True),
    "stranger": User("reads_nothing"),
}
_GRANTS = {
    "everything": ("ALL ON *.*",),
    "reads_telemetry": (
        *("SELECT ON otel.otel_traces", "SELECT ON otel.otel_logs"),
        *("SELECT ON langfuse.observations", "SELECT ON langfuse.traces"),
    ),
    "reads_nothing": ("SELECT ON elsewhere.anything",),
}


def configuration(directory: Path) -> Path:
    """Where an embedded engine is told the roles. It takes them from whoever opens it first."""
    roles = "".join(
        f"<{role}><grants>{_granted(granted)}</grants></{role}>"
        for role, granted in _GRANTS.items()
    )
    everybody = (
        "<default><password/><networks><ip>::/0</ip></networks><profile>default</profile>"
        f"<quota>default</quota><grants>{_granted(_GRANTS)}</grants></default>"
    )
    directory.mkdir(parents=True, exist_ok=True)
    users = directory / "users.xml"
    users.write_text(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas>"
        f"<roles>{roles}</roles><users>{everybody}</users></clickhouse>",
        encoding="utf-8",
    )
    file = directory / "config.xml"
    file.write_text(_CONFIGURATION.format(users), encoding="utf-8")
    return file


def _granted(what: Any) -> str:
    return "".join(f"<query>GRANT {each}</query>" for each in what)


class RefusedError(Exception):
    """As the engine says it."""

    @property
    def code(self) -> int:
        match = re.search(r"Code: (\d+)", str(self))
        return int(match[1]) if match else 1002


@dataclass
class Server:
    """What is served, and what goes wrong. ``asked`` is each statement with how many rows the
    engine looked at for it."""

    engine: Path
    asked: list[tuple[str, int]] = field(default_factory=list)
    before: Callable[[str], None] = lambda _: None
    """Called before a statement is answered."""
    cut: Callable[[str], bool] = lambda _: False
    """Whether the connection breaks in the middle of the answer to a statement."""
    port: int = 0

    @contextmanager
    def serving(self, tls: ssl.SSLContext | None = None) -> Iterator[int]:
        """Serve until the end of the block, at the port that it had before if it had one."""
        with _Listener(self) as listener:
            if tls is not None:
                listener.socket = tls.wrap_socket(
                    listener.socket, server_side=True, do_handshake_on_connect=False
                )
            self.port = listener.server_address[1]
            thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self.port
            finally:
                listener.shutdown()
                thread.join()

    def user(self, header: str) -> User:
        """Who asks. Raises RefusedError."""
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        user = USERS.get(name)
        if user is None or user.password != password:
            raise RefusedError(
                f"Code: 516. DB::Exception: {name}: Authentication failed: password is incorrect,"
                " or there is no user with such name. (AUTHENTICATION_FAILED) (version 26.9.1)"
            )
        return user

    def answer(self, user: User, told: Mapping[str, str], data: bytes) -> tuple[bytes, Any]:
        """The bytes that answer a statement, and the engine's account. Raises RefusedError."""
        statement = told.get("query", "").encode() + data
        with suppress(UnicodeDecodeError):
            self.before(statement.decode())
        engine = _opened(str(self.engine))
        try:
            for line in _preparing(user, told):
                engine.query(line)
            inserted = _INSERTED.fullmatch(statement)
            if inserted:
                with tempfile.NamedTemporaryFile(suffix=".native") as file:
                    file.write(inserted[3])
                    file.flush()
                    into, form = inserted[1].decode(), inserted[2].decode()
                    done = engine.query(f"{into} FROM INFILE '{file.name}' FORMAT {form}")
            else:
                done = engine.query(statement.decode(), "TabSeparated")
        except Exception as failure:  # noqa: BLE001 as whatever library it comes from
            raise RefusedError(str(failure)) from None
        else:
            with suppress(UnicodeDecodeError):
                self.asked.append((statement.decode(), done.storage_rows_read()))
            return done.bytes() or b"", done
        finally:
            engine.close()


def _opened(where: str) -> Any:
    import chdb

    connect: Any = chdb.connect
    return connect(where)


def _preparing(user: User, told: Mapping[str, str]) -> Iterator[str]:
    """What makes an engine's connection that of a user, with a request's settings."""
    yield f"SET ROLE {user.role}"
    if told.get("database"):
        yield f"USE {told['database']}"
    if user.is_fixed:
        yield "SET readonly = 1"
    settings = {name: value for name, value in told.items() if name not in _OF_THE_WAY}
    # What forbids to change settings comes last.
    for name, value in sorted(settings.items(), key=lambda pair: pair[0] == "readonly"):
        yield f"SET {name} = '{value}'"


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", server.port), _Handler)
        self.served = server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who has gone away is not answered."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, data: bytes) -> None:
        served = self.server.served
        address = urlsplit(self.path)
        told = dict(parse_qsl(address.query, keep_blank_values=True))
        if address.path == "/ping" or not (told or data):
            self._send(200, b"Ok.\n", {})
            return
        try:
            user = served.user(self.headers.get("Authorization", ""))
            answer, account = served.answer(user, told, data)
        except RefusedError as failure:
            said = {"X-ClickHouse-Exception-Code": str(failure.code)}
            self._send(_STATUS.get(failure.code, 500), str(failure).encode(), said)
            return
        summary = {
            "read_rows": str(account.storage_rows_read()),
            "read_bytes": str(account.bytes_read()),
            "elapsed_ns": str(int(account.elapsed() * 1e9)),
        }
        statement = told.get("query", "") + data.decode("utf-8", "replace")
        half = len(answer) // 2 if served.cut(statement) else None
        self._send(200, answer, {"X-ClickHouse-Summary": json.dumps(summary)}, half)

    def _send(
        self, status: int, data: bytes, headers: Mapping[str, str], most: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:most])
        self.close_connection = most is not None

    def log_message(self, *_: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, default=8443)
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="tgt-server-") as temporary:
        engine, directory = Path(temporary) / "engine", Path(temporary) / "server"
        opened = _opened(f"{engine}?config-file={configuration(directory)}")
        context, ca = certified(directory)
        with Server(engine, port=chosen.port).serving(context) as port:
            sys.stdout.write(
                f"CLICKHOUSE_TEST_URL='https://owner@localhost:{port}?ca={ca}'"
                f" CLICKHOUSE_TEST_PASSWORD={SECRET}\n"
            )
            sys.stdout.flush()
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
        opened.close()


if __name__ == "__main__":
    main()

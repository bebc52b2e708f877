"""The whole way to a server: TLS with an authority of one's own, users, rights and settings, and
what breaks on it. The servers answer out of the real engine (``engine.clickhouse.server``), whose
clock is far from the one that the command goes by.
"""

from __future__ import annotations

import json
import ssl
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from conftest import Result, Workplace
from engine.clickhouse.certificates import certified
from engine.clickhouse.databases import SERVER, Database, directory, protocol
from engine.clickhouse.server import SECRET, Server
from sources.test_same_incident import DAYS, conversations, genai_spans

from tgt.engine.clickhouse.connection import Connection
from tgt.errors import TelemetryError
from tgt.sources.address import address_of

pytestmark = pytest.mark.skipif(bool(SERVER), reason="these tests make their own servers")
NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certified(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with an incident, which is in the tables, too."""
    file = tmp_path_factory.mktemp("logs") / "telemetry.jsonl"
    file.write_text("".join(map(genai_spans, conversations())), encoding="utf-8")
    database = Database("otel")
    database.create()
    database.export(protocol([file]))
    return file


@pytest.fixture
def clickhouse(incident: Path) -> Server:
    """What it goes wrong with is each test's own."""
    del incident
    return Server(directory())


def tgt(
    workplace: Workplace,
    *arguments: str,
    source: str,
    password: str = SECRET,
) -> Result:
    done = workplace.tgt(
        *arguments,
        "--now",
        NOW.isoformat(),
        TASKGEN_SOURCE=source,
        TASKGEN_CLICKHOUSE_PASSWORD=password,
        TASKGEN_BASELINE_DAYS=str(DAYS),
    )
    assert SECRET not in done.out + done.err
    return done


def cards(workplace: Workplace) -> list[tuple[str, str, str, str]]:
    journal = (workplace.tasks / "generated_tasks.jsonl").read_text("utf-8")
    told = (json.loads(line) for line in journal.splitlines())
    return sorted((c["type"], c["subject"], c["title"], c["description"]) for c in told)


# --- it works ------------------------------------------------------------------------------------


def test_a_user_who_may_read_two_tables_gets_the_cards_of_the_files(
    clickhouse: Server, tls: tuple[ssl.SSLContext, Path], incident: Path, workplace: Workplace
) -> None:
    context, ca = tls
    with clickhouse.serving(context) as port:
        source = f"clickhouse:https://reader@localhost:{port}/otel?ca={ca}"
        done = tgt(workplace, "run", source=source)
    assert done.status == 0, done.err
    found = cards(workplace)
    assert len(found) >= 3
    kept = [file for file in workplace.path.rglob("*") if file.is_file()]
    assert all(SECRET.encode() not in file.read_bytes() for file in kept)

    files = Workplace(workplace.path / "files", workplace.server)
    files.path.mkdir()
    assert tgt(files, "run", source=f"otlp:{incident}").status == 0
    assert cards(files) == found


def test_a_user_whose_settings_may_not_be_changed_is_enough(
    clickhouse: Server, tls: tuple[ssl.SSLContext, Path], workplace: Workplace
) -> None:
    context, ca = tls
    with clickhouse.serving(context) as port:
        source = f"clickhouse:https://fixed@localhost:{port}/otel?ca={ca}"
        done = tgt(workplace, "sources", source=source)
    assert done.status == 0, done.err
    assert "can work on it" in done.out


# --- it does not, and says so in one line ---------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "password", "says", "hint"),
    [
        ("reader", "wrong", "does not accept the user reader", "TASKGEN_CLICKHOUSE_PASSWORD"),
        ("nobody", SECRET, "does not accept the user nobody", "TASKGEN_CLICKHOUSE_PASSWORD"),
        ("stranger", SECRET, "does not let this user read", "GRANT SELECT ON"),
    ],
)
def test_who_may_not_is_told_what_is_missing(
    user: str, password: str, says: str, hint: str, clickhouse: Server, workplace: Workplace
) -> None:
    with clickhouse.serving() as port:
        source = f"clickhouse:http://{user}@localhost:{port}/otel"
        done = tgt(workplace, "run", source=source, password=password)
    assert done.status == 1
    assert says in done.err
    assert hint in done.err
    assert len(done.err.splitlines()) == 1
    assert "for url" not in done.err


def test_a_certificate_of_nobody_who_is_known_is_refused(
    clickhouse: Server, tls: tuple[ssl.SSLContext, Path], workplace: Workplace
) -> None:
    """No password has gone to whoever it is."""
    with clickhouse.serving(tls[0]) as port:
        done = tgt(workplace, "run", source=f"clickhouse:https://reader@localhost:{port}/otel")
    assert done.status == 1
    assert "is not trusted: certificate verify failed" in done.err
    assert "by ?ca=" in done.err
    assert clickhouse.asked == []


def test_a_file_of_an_authority_that_is_not_there_is_named(workplace: Workplace) -> None:
    source = "clickhouse:https://reader@localhost:1/otel?ca=/nowhere/ca.pem"
    done = tgt(workplace, "run", source=source)
    assert done.status == 2
    assert done.err.startswith("tgt: ?ca=/nowhere/ca.pem of TASKGEN_SOURCE cannot be read: No such")


def test_a_port_that_speaks_no_tls_is_told(clickhouse: Server) -> None:
    with clickhouse.serving() as port:
        address = address_of(f"https://reader@localhost:{port}/otel", {})
        connection = Connection(address, SECRET, wait=lambda _: None)
        with connection, pytest.raises(TelemetryError) as failure:
            connection.run("SELECT 1")
    assert failure.value.message.startswith(f"cannot reach {address}: ")
    assert "HTTPSConnectionPool" not in failure.value.message


def test_a_query_that_takes_too_long_is_ended_by_the_server(clickhouse: Server) -> None:
    with clickhouse.serving() as port:
        address = address_of(f"http://reader@localhost:{port}/otel", {"seconds": "1"})
        with Connection(address, SECRET) as connection, pytest.raises(TelemetryError) as failure:
            connection.run(
                "SELECT sum(sleepEachRow(0.5)) FROM numbers(20) SETTINGS max_block_size = 1"
            )
    assert "beyond its limits" in failure.value.message
    assert "?seconds=" in failure.value.hint


def test_what_a_user_may_not_do_is_not_done(clickhouse: Server) -> None:
    with clickhouse.serving() as port:
        address = address_of(f"http://owner@localhost:{port}/otel", {})
        with Connection(address, SECRET) as connection:
            for statement in (
                "DROP TABLE otel_traces",
                "INSERT INTO otel_logs (Body) VALUES ('x')",
            ):
                with pytest.raises(TelemetryError, match="refuses a query"):
                    connection.run(statement)
            assert connection.run("SELECT count() > 0 FROM otel_traces") == [(1,)]


# --- it breaks, and comes back -------------------------------------------------------------------


def test_a_connection_that_breaks_in_the_middle_of_an_answer_loses_nothing(
    clickhouse: Server, workplace: Workplace
) -> None:
    """Always: the run fails, and the next one reads the rest. Once: it is asked again."""
    broken: list[str] = []

    def once(statement: str) -> bool:
        broken.append(statement.partition("FORMAT ")[2][:7])
        return broken.count(broken[-1]) == 1

    with clickhouse.serving() as port:
        source = f"clickhouse:http://reader@localhost:{port}/otel"
        clickhouse.cut = lambda statement: "FORMAT Parquet" in statement
        done = tgt(workplace, "run", source=source)
    assert done.status == 1
    assert f"cannot reach http://localhost:{port}/otel" in done.err
    assert "the next run reads what this one missed" in done.err
    assert len(done.err.splitlines()) == 1

    clickhouse.cut = once
    with clickhouse.serving() as again:
        done = tgt(workplace, "run", "--analyzers", "error_spike", source=source)
    assert (again, done.status) == (port, 0), done.err
    assert {"Native", "JSONCom", "Parquet"} <= set(broken)
    events = "SELECT count(*) FROM events"
    with Database("otel").timeline(NOW, baseline=timedelta(days=DAYS)) as timeline:
        whole = timeline.database.value(events)
    with duckdb.connect(workplace.tasks / "cache" / "events.duckdb", read_only=True) as kept:
        assert kept.execute(events).fetchone() == (whole,)


def test_a_server_that_hangs_once_is_asked_again(
    clickhouse: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgt.engine.clickhouse.connection._SLACK_SECONDS", 0)
    goes_on, asked = threading.Event(), list[str]()

    def hangs(statement: str) -> None:
        if "otel_traces" in statement:
            asked.append(statement)
            if len(asked) == 1:
                goes_on.wait(30)

    clickhouse.before = hangs
    waits: list[float] = []
    with clickhouse.serving() as port:
        address = address_of(f"http://reader@localhost:{port}/otel", {"seconds": "3"})
        with Connection(address, SECRET, wait=waits.append) as connection:
            assert connection.run("SELECT count() > 0 FROM otel_traces") == [(1,)]
        goes_on.set()
    assert len(asked) >= 2
    assert waits


def test_the_clock_of_the_server_is_not_asked(clickhouse: Server) -> None:
    """It is another one in all of these tests."""
    with clickhouse.serving() as port:
        address = address_of(f"http://reader@localhost:{port}/otel", {})
        with Connection(address, SECRET) as connection:
            ((clock,),) = connection.run("SELECT toUnixTimestamp(now())")
    assert abs(clock - NOW.timestamp()) > timedelta(days=1).total_seconds()

"""``tgt init`` with telemetry on a server: settings without the password, and units that may reach
it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.test_cli_init import _SYSTEMCTL, Account, fresh_account
from conftest import Workplace
from engine.clickhouse.databases import SERVER, Database, directory
from engine.clickhouse.exporter import SPAN_COLUMNS
from engine.clickhouse.server import SECRET, Server
from engine.clickhouse.test_clickhouse_reading import world

pytestmark = pytest.mark.skipif(bool(SERVER), reason="these tests make their own servers")


@pytest.fixture
def account(workplace: Workplace) -> Account:
    return fresh_account(workplace)


@pytest.fixture
def source() -> Iterator[str]:
    database = Database("otel")
    database.create()
    database.insert("otel_traces", world(1, 20), SPAN_COLUMNS)
    with Server(directory()).serving() as port:
        yield f"clickhouse:http://reader@localhost:{port}/otel"


def _holders(home: Path) -> list[Path]:
    """The files that hold the password."""
    files = (path for path in home.rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]


def test_the_settings_name_the_server_and_where_the_password_belongs(
    account: Account, source: str
) -> None:
    password = {"TASKGEN_CLICKHOUSE_PASSWORD": SECRET}
    done = account.tgt("init", "--yes", "--source", source, **password)
    assert done.status == 0, done.err
    assert "otel_traces, otel_logs" in done.out
    assert "TASKGEN_CLICKHOUSE_PASSWORD is not written" in done.out
    assert "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" in done.out
    assert "IPAddressAllow=localhost\n" in done.out
    written = account.env_file.read_text("utf-8")
    assert f"\nTASKGEN_SOURCE={source}\n" in written
    assert "\n# TASKGEN_CLICKHOUSE_PASSWORD=\n" in written
    assert account.env_file.stat().st_mode & 0o077 == 0
    assert _holders(account.home) == []
    # It works from the file alone once the password stands there.
    assert account.tgt("run").status == 1
    account.env_file.write_text(
        written.replace("# TASKGEN_CLICKHOUSE_PASSWORD=", f"TASKGEN_CLICKHOUSE_PASSWORD={SECRET}")
    )
    assert account.tgt("run").status == 0
    told = account.tgt("init", "--yes", "--json").json["init"]
    assert told["telemetry"][0]["tables"] == ["otel_traces", "otel_logs"]
    assert told["settingsFile"]["state"] == "kept"
    assert told["dropIn"].startswith("[Service]\n")


def test_the_unit_of_a_timer_may_connect_and_no_other_may(account: Account, source: str) -> None:
    account.has(systemctl=_SYSTEMCTL)
    password = {"TASKGEN_CLICKHOUSE_PASSWORD": SECRET}
    done = account.tgt("init", "--yes", "--timer", "--source", source, **password)
    assert done.status == 0, done.err
    assert "a unit of an account cannot limit where to" in done.out
    units = account.home / ".config/systemd/user"
    unit = (units / "tgt.service").read_text("utf-8")
    assert "PrivateNetwork=no\n" in unit
    assert "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n" in unit
    assert _holders(account.home) == []


@pytest.mark.parametrize(
    ("user", "password", "says"),
    [
        ("reader", "wrong", "TASKGEN_CLICKHOUSE_PASSWORD"),
        ("stranger", SECRET, "GRANT SELECT ON"),
    ],
)
def test_nothing_is_written_for_a_server_that_cannot_be_read(
    user: str, password: str, says: str, account: Account, source: str
) -> None:
    done = account.tgt(
        "init",
        "--yes",
        "--source",
        source.replace("reader", user),
        TASKGEN_CLICKHOUSE_PASSWORD=password,
    )
    assert done.status == 1
    assert says in done.err
    assert account.files() == set()


def test_a_password_in_an_address_is_refused_and_shown_nowhere(account: Account) -> None:
    source = f"clickhouse:https://reader:{SECRET}@localhost:1/otel"
    done = account.tgt("init", "--yes", "--source", source)
    assert done.status == 2
    assert "TASKGEN_CLICKHOUSE_PASSWORD" in done.err
    assert SECRET not in done.out + done.err
    assert account.files() == set()


def test_files_beside_a_server_are_refused_before_anything_is_written(
    account: Account, source: str
) -> None:
    done = account.tgt("init", "--yes", "--source", f"{source},contextlog")
    assert done.status == 2
    assert "stands alone" in done.err
    assert account.files() == set()

"""Apprise: a real server gets what people are told; without the package a message says how."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from conftest import Workplace

from tgt.notify.apprise_service import message

Make = Callable[..., dict[str, Any]]
B = "01K94XYZ00B7T4M8R2VXCDGH1A"


class Server(HTTPServer):
    """Answers with ``status`` and keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.got: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def service() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def begun(workplace: Workplace, card_data: Make) -> Workplace:
    """Telling has begun, and there is a card that nobody was told of."""
    assert workplace.tgt("notify", TASKGEN_NOTIFY="exec:true").status == 0
    hostile = "<!channel> @everyone [click](https://evil.example) \x1b[2J"
    workplace.write_journal(card_data(B, title=hostile, description=hostile))
    return workplace


def test_a_service_gets_a_message_for_people_once(begun: Workplace, service: Server) -> None:
    url = f"json://hunter2-S3cret@127.0.0.1:{service.server_port}/"
    service.status = 500
    failed = begun.tgt("notify", TASKGEN_NOTIFY=url)
    assert failed.status == 4
    assert "json://… was not told: " in failed.err
    assert "hunter2" not in failed.err
    service.status = 200
    for _ in range(2):
        told = begun.tgt("notify", "--now", "2099-01-01", TASKGEN_NOTIFY=url)
        assert (told.status, told.err) == (0, "")
    assert len(service.got) == 2, "once when it failed, and once when it did not"
    assert service.got[1]["title"] == "tgt: 1 new"
    assert service.got[1]["message"] == (
        "NEW (high) ‹!channel› ＠everyone (click)(https://evil.example) \\x1b(2J\n"
        "    ‹!channel› ＠everyone (click)(https://evil.example) \\x1b(2J\n"
        "    tool_call/read_file - tgt show VXCDGH1A"
    )


def test_without_the_package_a_message_says_how_to_install_it(begun: Workplace) -> None:
    absent = begun.path / "absent"
    absent.mkdir()
    (absent / "apprise.py").write_text("raise ImportError('there is none')\n")
    fresh = replace(begun, server=None)
    done = fresh.tgt("notify", TASKGEN_NOTIFY="slack://a/b/c", PYTHONPATH=str(absent))
    assert done.status == 4
    assert "the package apprise is not installed; install it with pip install 'tgt[notify]'" in (
        done.err
    )


def test_a_package_that_lies_where_tgt_is_called_is_not_taken(begun: Workplace) -> None:
    """A directory is not made of programs because tgt is called in it."""
    (begun.path / "apprise.py").write_text("open('taken', 'w')\n")
    begun.tgt("notify", TASKGEN_NOTIFY="slak://a/b/c")
    assert not (begun.path / "taken").exists()


def test_a_long_message_says_how_many_more_there_are() -> None:
    task = {"id": "x", "change": "new", "severity": "high", "subject": "s", "title": "t"}
    tasks = [{**task, "text": "w " * 400}] * 24 + [{**task, "change": "fixed", "text": ""}]
    title, body = message({"kind": "digest", "tasks": tasks})
    assert title == "tgt: 24 new, 1 fixed"
    assert body.count("NEW (high)") == 20
    assert body.endswith("... and 5 more: tgt list")
    assert max(map(len, body.splitlines())) <= 304

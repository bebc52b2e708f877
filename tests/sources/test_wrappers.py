"""Envelopes around telemetry are taken off where a source wants that, and only there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tgt.sources.envelopes import documents
from tgt.sources.files import LogFile
from tgt.sources.wrappers import EVERY

Objects = list[dict[str, Any]]
ONE, TWO = {"n": 1, "scopeSpans": []}, {"n": 2, "scopeSpans": []}
REQUEST = {"resourceSpans": [ONE, TWO]}
SPANS = [{"spanID": "a", "processID": "p1"}, {"spanID": "b", "processID": "gone"}]


def read(path: Path, text: str, wrappers: frozenset[str] = EVERY) -> Objects:
    path.write_text(text, encoding="utf-8")
    file = LogFile.of(os.fspath(path), path.stat())
    return [document.value for document in documents(file, 0, wrappers) if document.value]


@pytest.mark.parametrize(
    ("wrapped", "inside", "what"),
    [
        ({"batches": [ONE, TWO]}, [REQUEST], "Tempo's traces"),
        ({"trace": REQUEST}, [REQUEST], "Tempo's second version"),
        ({"trace": {"batches": [ONE, TWO]}}, [REQUEST], "one in the other"),
        ({"spans": [ONE, TWO]}, [ONE, TWO], "a list of spans"),
        ({"data": [ONE, TWO], "total": 0}, [ONE, TWO], "the answer of a server"),
        ({"data": [REQUEST]}, [REQUEST], "requests in the answer of a server"),
        (
            {"data": [{"traceID": "t", "spans": SPANS, "processes": {"p1": {"serviceName": "s"}}}]},
            [{**SPANS[0], "process": {"serviceName": "s"}}, {**SPANS[1], "process": None}],
            "Jaeger's traces: each span with its process",
        ),
        ({"timestamp": 1, "message": json.dumps(ONE)}, [ONE], "a line of CloudWatch"),
        ({"@timestamp": "x", "@message": json.dumps(ONE)}, [ONE], "a row of CloudWatch Insights"),
        (
            {"events": [{"message": json.dumps(ONE)}, {"message": "text"}], "nextToken": "x"},
            [ONE, {"message": "text"}],
            "what CloudWatch answers",
        ),
        ({"logEvents": [{"id": "1", "message": json.dumps(TWO)}]}, [TWO], "what CloudWatch sends"),
        (
            {"results": [[{"field": "@ptr"}, {"field": "@message", "value": json.dumps(ONE)}]]},
            [ONE],
            "what CloudWatch Insights answers",
        ),
        ({"traces": [REQUEST, {"spans": [ONE]}]}, [REQUEST, ONE], "several traces"),
        ({"hits": {"total": 1, "hits": [{"_id": "1", "_source": ONE}]}}, [ONE], "a search's hits"),
        (
            {"streams": [{"stream": {}, "values": [["1", json.dumps(ONE)], ["2", "text"]]}]},
            [ONE, {"line": "text"}],
            "Loki's streams",
        ),
        ({"log": json.dumps(ONE) + "\n", "stream": "stdout"}, [ONE], "a line of a container"),
        ({"result": {"_raw": json.dumps(ONE)}}, [ONE], "a row of Splunk"),
        ({"topic": "t", "value": REQUEST}, [REQUEST], "a message of Kafka"),
    ],
)
def test_what_is_inside_of_a_wrapper(
    tmp_path: Path, wrapped: dict[str, Any], inside: Objects, what: str
) -> None:
    for text in (json.dumps(wrapped), json.dumps(wrapped, indent=2), json.dumps([wrapped])):
        assert read(tmp_path / "x.json", text) == inside
        assert read(tmp_path / "x.json", text, frozenset()) == [wrapped]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (REQUEST, "an export request"),
        ({"scope": {"name": "x"}, "spans": [ONE]}, "spans of a scope know of their scope"),
        ({"trace": "0af7651916cd43dd8448eb211c80319c", "span": "b7ad"}, "the id of a trace"),
        ({"traceId": "a", "trace": {"b": 1}}, "a span with an attribute of that name"),
        ({"data": {"a": 1}}, "no list"),
        ({"data": []}, "an empty list"),
        ({"data": [1, 2]}, "a list of numbers"),
        ({"message": "no JSON"}, "a text"),
        ({"message": "{no JSON"}, "nearly JSON"),
        ({"message": '{"a":' * 300}, "nested too deeply"),
        ({"message": {"role": "user"}}, "a message of a transcript"),
        ({"events": [{"name": "exception"}], "name": "span"}, "events of a span"),
        ({"name": "read", "attributes": {"data": [1]}}, "a span"),
    ],
)
def test_what_is_no_wrapper_stays_as_it_is(
    tmp_path: Path, document: dict[str, Any], why: str
) -> None:
    assert read(tmp_path / "x.json", json.dumps(document)) == [document]


def test_what_is_inside_has_the_place_of_its_wrapper(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}\n" + json.dumps({"spans": [ONE, TWO]}) + "\n{}", encoding="utf-8")
    found = list(documents(LogFile.of(os.fspath(path), path.stat()), 0, EVERY))
    assert [document.place for document in found] == [0, 3, 3, found[-1].place]
    again = documents(LogFile.of(os.fspath(path), path.stat()), 3, EVERY)
    assert [next(again).value, next(again).value] == [ONE, TWO]


@pytest.mark.parametrize(
    ("line", "is_inside"),
    [
        ("2025-11-05T14:30:00.000000+00:00 my-stream {}", True),
        ("2025-11-05 14:30:00,123 INFO app: {}", True),
        ("[2025-11-05] {}", True),
        ("{}", True),
        ("2025-11-05T14:30:00 nothing here", False),
    ],
)
def test_what_stands_before_an_object_on_its_line(
    tmp_path: Path, line: str, is_inside: bool
) -> None:
    """As ``aws logs tail`` writes it."""
    text = "".join(line.replace("{}", json.dumps(one)) + "\n" for one in (ONE, TWO))
    assert read(tmp_path / "x.log", text) == ([ONE, TWO] if is_inside else [])
    plain = read(tmp_path / "x.log", text, frozenset())
    assert plain == ([ONE, TWO] if line == "{}" else plain if "[" in line else [])


def test_wrappers_in_wrappers_end(tmp_path: Path) -> None:
    nested: dict[str, Any] = {"n": 1}
    for _ in range(50):
        nested = {"data": [nested]}
    (left,) = read(tmp_path / "x.json", json.dumps(nested))
    assert "data" in left

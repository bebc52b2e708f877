"""The JSON of a report: the keys of the contract, and numbers as numbers."""

from __future__ import annotations

import json

from invented_reports import empty, hostile, report

from tgt.output import report_document
from tgt.output.machine import dumps


def test_the_document() -> None:
    document = report_document.document(report())
    (name,) = document
    told = document[name]
    assert name == "report"
    assert told["since"] == "2025-10-27T16:00:00.000Z"
    assert told["until"] == "2025-11-03T16:00:00.000Z"
    assert told["sources"] == ["claude-code:/logs"]
    assert told["conversations"] == {
        "total": 41,
        "finished": 40,
        "aborted": 2,
        "longWait": 5,
        "errorHeavy": 1,
        "before": {"total": 39, "finished": 39, "aborted": 1, "longWait": 4, "errorHeavy": 0},
    }
    assert told["tools"][0] == {
        "subject": "tool_call/Bash",
        "calls": 412,
        "failures": 31,
        "softFailures": 4,
        "refused": 3,
        "cancelled": 1,
        "conversations": 40,
        "p50Ms": 210,
        "p95Ms": 9100,
        "before": {
            "calls": 390,
            "failures": 12,
            "softFailures": 0,
            "refused": 0,
            "cancelled": 0,
            "conversations": 38,
            "p50Ms": 205,
            "p95Ms": 8800,
        },
    }
    (model,) = told["models"]
    assert model["tokens"] == {"input": 9_100_000, "cached": 8_500_000, "output": 120_000}
    assert (model["responses"], model["truncated"], model["p95Ms"]) == (611, 3, 15200)
    (upstream,) = told["upstream"]
    assert upstream == {
        "subject": "upstream/http_529",
        "failures": 60,
        "conversations": 0,
        "before": {"failures": 0, "conversations": 0},
    }
    assert told["errors"][1] == {
        "subject": "tool_call/Read",
        "text": "File does not exist",
        "count": 3,
        "conversations": 1,
        "firstSeenAt": "2025-11-03T07:00:00.000Z",
        "lastSeenAt": "2025-11-03T15:00:00.000Z",
        "before": {"count": 0},
    }
    assert told["loops"] == [
        {
            "subject": "tool_call/Bash",
            "kind": "identical",
            "calls": 7,
            "convId": "c-1",
            "minutes": 4.2,
            "tokens": 81000,
            "partner": None,
        },
        {
            "subject": "tool_call/Edit",
            "kind": "alternating",
            "calls": 8,
            "convId": None,
            "minutes": 1.5,
            "tokens": 0,
            "partner": "tool_call/Read",
        },
    ]
    assert told["leftOut"]["tools"] == 123
    assert told["series"]["stepMs"] == 7_200_000
    assert len(told["series"]["events"]) == len(told["series"]["failures"]) == 84


def test_what_could_be_judged() -> None:
    coverage = report_document.document(report())["report"]["coverage"]
    by_subject = {(each["analyzer"], each["subject"]): each for each in coverage}
    assert by_subject["error_spike", "tool_call/t0"] == {
        "analyzer": "error_spike",
        "subject": "tool_call/t0",
        "judgeable": True,
        "missing": None,
        "judgeableAt": None,
        "smallestChange": 3,
        "unit": "ratio",
        "usual": 0.02,
        "usualUnit": "share",
        "expected": 120,
        "of": "conversations a day",
    }
    rare = by_subject["error_spike", "tool_call/rare"]
    assert (rare["judgeable"], rare["missing"]) == (False, "12 of 200 uses")
    assert rare["judgeableAt"] == "2025-11-04T22:00:00.000Z"
    assert rare["smallestChange"] is None


def test_an_empty_report_has_every_key() -> None:
    whole, nothing = (report_document.document(each)["report"] for each in (report(), empty()))
    assert whole.keys() == nothing.keys()
    assert nothing["tools"] == nothing["errors"] == nothing["coverage"] == []


def test_nothing_of_telemetry_acts() -> None:
    text = dumps(report_document.document(hostile()))
    assert text.isascii()
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert json.loads(text)

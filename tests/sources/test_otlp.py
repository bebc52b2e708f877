"""What holds of OpenTelemetry whatever its dialect: what is recognised and remembered, what spoils
nothing. What each dialect's files come to is data: see test_otlp_truth.py."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_reading import counted, objects, read, read_grown

from tgt.sources.base import Outcome, PassedOver, Reason
from tgt.sources.bounds import STATE_BYTES
from tgt.sources.excerpts import documents_at
from tgt.sources.files import LogFile
from tgt.sources.otlp import Otlp, reader, recognises, spans
from tgt.sources.otlp.lineage import MOST_KEPT
from tgt.sources.otlp.reader import OtlpReader

TRUTH = Path(__file__).parent / "truth" / "otlp"
FILES = sorted(path for path in TRUTH.rglob("*.*") if path.name != "expected.json")
SAMPLES = Path(__file__).parents[3] / "shared" / "telemetry-samples"
AT_NS = 1_790_000_000_000_000_000
TEXTS = ("error", "args_preview", "result_preview")


def span(number: int, parent: int | None = None, **attributes: str) -> dict[str, Any]:
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    return {
        "traceId": f"{7:032x}",
        "spanId": f"{number:016x}",
        "parentSpanId": "" if parent is None else f"{parent:016x}",
        "name": "chat m",
        "startTimeUnixNano": str(AT_NS),
        "endTimeUnixNano": str(AT_NS + 1_000_000),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in told.items()],
    }


def batch(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def taken(*documents: dict[str, Any]) -> list[Outcome]:
    of_file = OtlpReader()
    outcomes = [one for n, document in enumerate(documents) for one in of_file.take(document, n)]
    return [*outcomes, *of_file.finish()]


# --- the source ----------------------------------------------------------------------------------


def test_a_source_is_a_place_and_knows_its_files(tmp_path: Path) -> None:
    for name in ("a.json", "b.log", "c.jsonl", "d.csv"):
        (tmp_path / name).write_text("{}\n")
    source = Otlp(tmp_path)
    assert (source.kind, source.key) == ("otlp", f"otlp:{tmp_path}")
    assert [Path(f.path).name for f in source.listing().files] == ["a.json", "b.log", "c.jsonl"]
    assert source == Otlp(tmp_path) != Otlp(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("promise", "document"),
    [
        ("a line of ContextLog", {"ts": "2026-01-01T00:00:00Z", "act": "message", "trace_id": "t"}),
        ("a transcript", {"type": "user", "sessionId": "s", "uuid": "u", "timestamp": 1}),
        ("a rollout", {"type": "event_msg", "timestamp": "2026-01-01T00:00:00Z", "payload": {}}),
        ("any log with a time and attributes", {"timestamp": 1, "attributes": {"a": 1}}),
        ("any log with a text", {"timestamp": 1, "body": "x", "trace_id": "t"}),
        ("anything that began and ended", {"name": "x", "startTime": 1, "endTime": 2}),
        ("nothing", {}),
    ],
)
def test_what_is_of_others_is_not_recognised(promise: str, document: dict[str, Any]) -> None:
    assert not recognises(document)


# --- one document alone --------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_document_alone_tells_its_records_with_their_texts(path: Path) -> None:
    """Texts are fetched from where a record says that it stands, by a reader that knows nothing
    else of the file. What is told of a call elsewhere may then be missing."""
    file = LogFile.of(str(path), path.stat())
    for event in counted(read(path)):
        if not event.get("key"):
            continue
        alone = [r for r in documents_at(Otlp(path), file, event["place"]) if r.get("act")]
        same = [record for record in alone if record.get("key") == event["key"]]
        assert same
        assert any(record.get(name) in {event.get(name), None} for record in same for name in TEXTS)


def test_a_failure_alone_tells_its_text() -> None:
    failed = span(1) | {"status": {"code": 2, "message": "it is full"}}
    alone = [one for one in taken(batch(failed)) if isinstance(one, dict) and one["act"]]
    assert [(one["error"], one["key"]) for one in alone] == [
        ("it is full", f"answer:{7:032x}:{1:016x}")
    ]


# --- what is remembered --------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_is_remembered_has_no_texts(path: Path) -> None:
    of_file = OtlpReader()
    for place, document in enumerate(objects(path)):
        texts = [
            record[name]
            for record in of_file.take(document, place)
            if isinstance(record, dict)
            for name in TEXTS
            if len(record.get(name) or "") > 3
        ]
        remembered = json.dumps(of_file.state())
        assert not [text for text in texts if json.dumps(text)[1:-1] in remembered]


def test_what_is_remembered_is_bounded() -> None:
    of_file = OtlpReader()
    many = [
        span(n, n // 2 + 1, **{"session.id": f"s{n}", "gen_ai.tool.name": "x" * 500})
        | {"traceId": f"{n:x}" * 500}
        for n in range(1, 30_000)
    ]
    assert sum(1 for _ in of_file.take(batch(*many), 0)) > 10_000
    state = of_file.state()
    assert len(state["spans"]) == MOST_KEPT
    assert len(json.dumps(state)) < STATE_BYTES


def test_ids_of_any_length_are_bounded_and_told_apart() -> None:
    first, second = (span(1) | {"spanId": f"{n}" * 5_000} for n in (1, 2))
    keys = {one["key"] for one in taken(batch(first, second)) if isinstance(one, dict)}
    assert len(keys) == 2
    assert all(len(key) < 200 for key in keys)


@pytest.mark.parametrize("order", ["inside first", "outside first"])
def test_a_thousand_answers_inside_of_each_other_are_one(order: str) -> None:
    chain = [span(n, n + 1 if n < 1_000 else None) for n in range(1, 1_001)]
    if order == "outside first":
        chain.reverse()
    started = time.process_time()
    for documents in ([batch(*chain)], [batch(one) for one in chain]):
        (event,) = counted(taken(*documents))
        assert event["key"] == f"answer:{7:032x}:{1:016x}"
    assert time.process_time() - started < 10


def test_spans_around_each_other_in_a_circle_are_read() -> None:
    events = counted(taken(batch(span(1, 2), span(2, 3), span(3, 1), span(4, 4))))
    assert {event["act"] for event in events} <= {"assistant_response"}


def test_what_only_began_once_the_span_had_ended_is_not_inside_of_it() -> None:
    late = span(2, 1) | {
        "startTimeUnixNano": str(AT_NS + 2_000_000),
        "endTimeUnixNano": str(AT_NS + 3_000_000),
    }
    assert len(counted(taken(batch(late, span(1))))) == 2
    assert len(counted(taken(batch(span(1)), batch(late)))) == 2
    assert len(counted(taken(batch(late), batch(span(1))))) == 2


# --- what is broken ------------------------------------------------------------------------------


def broken(document: Any, chance: random.Random) -> Any:
    """A copy with something of a wrong type, or missing, somewhere."""
    if isinstance(document, dict) and document:
        copy = dict(document)
        key = chance.choice(list(copy))
        draw = chance.random()
        if draw < 0.2:
            del copy[key]
        elif draw < 0.5:
            copy[key] = chance.choice(
                [None, 17, -1, "x", "[", [], {}, [None], [[]], True, 1e400, "\ud800", {"a": {}}]
            )
        else:
            copy[key] = broken(copy[key], chance)
        return copy
    if isinstance(document, list) and document:
        at = chance.randrange(len(document))
        return [broken(one, chance) if i == at else one for i, one in enumerate(document)]
    return chance.choice([None, 17, "x", [], {}])


def seeds() -> Iterator[dict[str, Any]]:
    for path in FILES:
        yield from objects(path)


def test_wrong_types_and_missing_parts_spoil_only_themselves() -> None:
    """Ten thousand broken documents: nothing is raised, and nothing is told that is no JSON."""
    chance = random.Random(5)
    documents = list(seeds())
    of_file = OtlpReader()
    reasons = set()
    for number in range(10_000):
        document: Any = documents[number % len(documents)]
        for _ in range(chance.randrange(1, 4)):
            document = broken(document, chance)
        if not isinstance(document, dict):
            continue
        recognises(document)
        for one in of_file.take(document, number):
            if isinstance(one, PassedOver):
                reasons.add(one.kind if one.reason is Reason.MALFORMED else "")
            else:
                json.dumps(one)
                assert isinstance(one["us"], int)
    json.dumps(of_file.state())
    assert reasons <= {"", "no time", "no list of records"}


def test_an_item_that_nobody_thought_of_spoils_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    made = spans.of_span

    def of_span(item: Any, role: Any) -> Outcome:
        if item.span == f"{2:016x}":
            raise ZeroDivisionError
        return made(item, role)

    monkeypatch.setattr(reader, "of_span", of_span)
    outcomes = taken(batch(span(1), span(2), span(3)))
    assert len(counted(outcomes)) == 2
    assert [one.kind for one in outcomes if isinstance(one, PassedOver)] == ["ZeroDivisionError"]


@pytest.mark.parametrize("missing", ["both", "end"])
def test_a_span_without_an_end_has_not_ended_and_one_without_any_time_is_malformed(
    missing: str,
) -> None:
    untimed = span(1) | {"endTimeUnixNano": "0"}
    if missing == "both":
        del untimed["startTimeUnixNano"]
    (outcome,) = taken(batch(untimed))
    assert isinstance(outcome, PassedOver)
    assert outcome.reason is (Reason.MALFORMED if missing == "both" else Reason.SKIPPED)


# --- what agents really wrote --------------------------------------------------------------------

REAL = (
    *("claude-code/otlp/otlp-http-logs.jsonl", "claude-code/otlp/otlp-http-traces.jsonl"),
    *("codex/otlp-http-logs.jsonl", "codex/otlp-http-logs-ok.jsonl"),
    *("gemini-cli/otlp-http-logs.jsonl", "gemini-cli/outfile-telemetry.log.json"),
    "redundo/sample_otlp.json",
)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")
@pytest.mark.parametrize("name", REAL)
def test_real_files_are_the_same_in_any_stretches(tmp_path: Path, name: str) -> None:
    path = SAMPLES / name
    whole = counted(read(path))
    assert whole
    chance = random.Random(name)
    for _ in range(3):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        sizes = sorted(chance.randrange(1, copy.stat().st_size) for _ in range(5))
        grown = counted(read_grown(copy, sizes))
        assert [{**one, "place": 0} for one in grown] == [{**one, "place": 0} for one in whole]

"""What agents write by themselves: what their readers promise beyond the single case of truth.

However a file grew before it was looked at, it comes to the same; what is broken costs itself; an
object alone has its texts; and nobody takes the files of another agent for his own.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agents_reading import (
    AGENT_CASES,
    SAMPLES,
    counting,
    in_stretches,
    kind_of,
    outcomes,
    source_of,
)

from tgt.sources import cline, copilot, gemini, opencode, pi, qwen
from tgt.sources.agent_records import Session
from tgt.sources.base import PassedOver
from tgt.sources.excerpts import documents_at
from tgt.sources.reading import guarded

NAMES = [str(case.relative_to(Path(__file__).parent)) for case in AGENT_CASES]
FILES = [
    pytest.param(case, Path(file.path).relative_to(case), id=Path(file.path).name)
    for case in AGENT_CASES
    for file in source_of(case).listing().files
]


@pytest.mark.parametrize(("case", "path"), FILES)
def test_a_file_that_grew_at_any_time_is_read_as_if_at_once(
    case: Path, path: Path, tmp_path: Path
) -> None:
    place = tmp_path / kind_of(case) / "input"
    shutil.copytree(case, place)
    source = source_of(place)
    copy = place / path
    size = copy.stat().st_size
    data = copy.read_bytes()
    whole = counting(in_stretches(source, copy, ()))
    numbers = random.Random(str(path))
    for _ in range(8):
        ends = sorted(numbers.sample(range(1, size), k=numbers.randint(1, 6)))
        copy.write_bytes(data)
        assert counting(in_stretches(source, copy, ends)) == whole, ends


@pytest.mark.parametrize("case", AGENT_CASES, ids=NAMES)
def test_one_object_alone_gives_the_texts_of_its_records(case: Path) -> None:
    """A card shows what was asked and answered, and gets it from the object at the place."""
    source = source_of(case)
    for file in source.listing().files:
        for record in counting(outcomes(source, file)):
            alone = documents_at(source, file, record["place"])
            for name in ("args_preview", "result_preview", "error"):
                if record.get(name):
                    assert record[name] in [each.get(name) for each in alone], (record, name)


@pytest.mark.parametrize("case", AGENT_CASES, ids=NAMES)
def test_what_a_broken_writer_writes_costs_itself(case: Path) -> None:
    """Every value of every object in turn is of every other type: that object may be malformed, and
    those that follow it are not."""
    source = source_of(case)
    for file in source.listing().files:
        documents = _documents(Path(file.path))
        reader = source.reader(file, None)
        for number, document in enumerate(documents):
            state = reader.state()
            following = documents[number + 1 : number + 3]
            for broken in _broken(document):
                again = source.reader(file, state)
                told = [list(guarded(partial(again.take, d, 0), 0)) for d in (broken, *following)]
                for outcome in (each for some in told[1:] for each in some):
                    assert not isinstance(outcome, PassedOver) or not _is_raised(outcome)
                assert isinstance(json.dumps(again.state()), str)
            list(guarded(partial(reader.take, document, 0), 0))


def _is_raised(outcome: PassedOver) -> bool:
    return outcome.kind.endswith("Error")


def _documents(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    value = json.loads(path.read_text())
    return value if isinstance(value, list) else [value]


def _broken(value: object, depth: int = 0) -> Iterator[Any]:
    """The value with one of its parts replaced by values of other types, one after another."""
    if depth:
        yield from (None, 7, -1.5, "x", "", [], [[]], {}, {"a": 1}, True)
    if depth < 6 and isinstance(value, dict):
        for key, inner in value.items():
            for other in _broken(inner, depth + 1):
                yield {**value, key: other}
    elif depth < 6 and isinstance(value, list):
        for place, inner in enumerate(value):
            for other in _broken(inner, depth + 1):
                yield [*value[:place], other, *value[place + 1 :]]


# --- recognition ---------------------------------------------------------------------------------

MODULES = {
    "qwen": qwen,
    "copilot": copilot,
    "gemini": gemini,
    "pi": pi,
    "opencode": opencode,
    "cline": cline,
}


@pytest.mark.parametrize("case", AGENT_CASES, ids=NAMES)
def test_a_file_is_recognised_by_its_first_object_as_no_other_agents(case: Path) -> None:
    kind = kind_of(case)
    for file in source_of(case).listing().files:
        text = Path(file.path).read_text()
        document = json.loads(text.split("\n")[0] if file.path.endswith("l") else text)
        first = document[0] if isinstance(document, list) else document
        assert [name for name, each in MODULES.items() if each.recognises(first)] == [kind]


@pytest.mark.parametrize("case", AGENT_CASES, ids=NAMES)
def test_whatever_is_looked_at_is_recognised_or_not(case: Path) -> None:
    for file in source_of(case).listing().files:
        for document in _documents(Path(file.path))[:3]:
            for broken in _broken(document):
                assert all(each.recognises(broken) in {True, False} for each in MODULES.values())


@pytest.mark.parametrize(
    "foreign",
    [
        '{"type":"message","id":"m","parentId":"p","timestamp":"2026-01-01T00:00:00Z","message":'
        '{"role":"user","content":[{"type":"text","text":"of another agent"}]}}',
        '{"type":"session_start","id":"d","cwd":"/x","version":"1"}',
        '{"type":"user","uuid":"u","sessionId":"s","message":{"role":"user","content":"x"}}',
        '{"type":"event_msg","timestamp":"2026-01-01T00:00:00Z","payload":{"type":"x"}}',
        '{"ts":"2026-01-01T00:00:00Z","act":"tool_call","actor":"tool","name":"x"}',
        '{"resourceSpans":[]}',
        '{"role":"user","message":{"content":[]}}',
        "{}",
    ],
)
def test_what_others_write_is_not_recognised(foreign: str) -> None:
    document = json.loads(foreign)
    assert [name for name, each in MODULES.items() if each.recognises(document)] == []


@pytest.mark.parametrize(
    ("environment", "places"),
    [
        (copilot.places({"COPILOT_HOME": "/c"}), ["/c/session-state"]),
        (gemini.places({"GEMINI_CLI_HOME": "/g"}), ["/g/.gemini/tmp"]),
        (qwen.places({"QWEN_HOME": "/q"}), ["/q/projects"]),
        (qwen.places({"QWEN_HOME": "/q", "QWEN_RUNTIME_DIR": "/r"}), ["/r/projects"]),
        (opencode.places({"XDG_DATA_HOME": "/d"}), ["/d/opencode"]),
        (opencode.places({"XDG_DATA_HOME": "/d", "OPENCODE_DB": "x.db"}), ["/d/opencode/x.db"]),
        (opencode.places({"OPENCODE_DB": "/x.db"}), ["/x.db"]),
        (
            pi.places({"PI_CODING_AGENT_DIR": "/p", "OPENCLAW_STATE_DIR": "/o"}),
            ["/p/sessions", "/o/agents"],
        ),
    ],
)
def test_agents_are_looked_for_where_their_variables_say(
    environment: tuple[Path, ...], places: list[str]
) -> None:
    assert [str(place) for place in environment] == places


def test_cline_and_its_kin_are_looked_for_in_every_editor() -> None:
    places = {str(place) for place in cline.places({"XDG_CONFIG_HOME": "/x", "CLINE_DIR": "/c"})}
    for editor in ("Code", "Code - Insiders", "VSCodium", "Cursor"):
        assert f"/x/{editor}/User/globalStorage/saoudrizwan.claude-dev" in places
    assert "/c/data" in places
    assert any(
        place.endswith(".vscode-server/data/User/globalStorage/kilocode.kilo-code")
        for place in places
    )


# --- what real programs wrote --------------------------------------------------------------------

_HAND_COUNTED = [
    ("copilot", "as-copilot-large.jsonl", "3 prompt, 4 assistant_response, 2 tool_call", "", 0),
    (
        "copilot",
        "as-copilot-small.jsonl",
        "1 prompt, 2 assistant_response, 1 tool_call, 1 api_error",
        "",
        16,
    ),
    ("gemini", "as-gemini-jsonl_v040.jsonl", "1 prompt, 2 assistant_response, 1 tool_call", "", 0),
    (
        "gemini",
        "as-gemini-large.json",
        "2 prompt, 4 assistant_response, 2 tool_call, 1 interruption",
        "1 soft",
        0,
    ),
    (
        "qwen",
        "as-qwen-019f0000-0000-7000-8000-000000000004.jsonl",
        "2 prompt, 2 assistant_response, 1 tool_call",
        "",
        0,
    ),
    ("qwen", "as-qwen-system_telemetry.jsonl", "", "", 8),
    ("pi", "as-pi-small.jsonl", "2 prompt, 2 assistant_response", "", 0),
    ("pi", "as-openclaw-large.jsonl", "1 prompt, 3 assistant_response, 2 tool_call", "", 0),
    ("opencode", "es-opencode.jsonl", "5 assistant_response, 3 tool_call", "1 failed", 0),
]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")
@pytest.mark.parametrize(("kind", "name", "events", "outcome", "malformed"), _HAND_COUNTED)
def test_real_files_are_counted_as_by_hand(
    kind: str, name: str, events: str, outcome: str, malformed: int, tmp_path: Path
) -> None:
    place = tmp_path / kind / name
    place.parent.mkdir()
    shutil.copyfile(SAMPLES / name, place)
    source = source_of(place)
    (file,) = source.listing().files
    every = outcomes(source, file)
    records = counting(every)
    # A call is its record of the whole, or its start.
    counted = Counter(record["act"] for record in records if record.get("phase") != "end")
    assert ", ".join(f"{n} {act}" for act, n in _as_listed(counted)) == events
    soft = sum(record.get("soft_failed") is True for record in records)
    failed = sum(record.get("failed") is True for record in records if record["act"] == "tool_call")
    assert (
        ", ".join(f"{n} {what}" for n, what in ((failed, "failed"), (soft, "soft")) if n) == outcome
    )
    wrong = [each for each in every if isinstance(each, PassedOver) and each.reason == "malformed"]
    assert len(wrong) == malformed


def _as_listed(counted: Counter[str]) -> list[tuple[str, int]]:
    order = ("prompt", "assistant_response", "tool_call", "api_error", "interruption")
    return [(act, counted[act]) for act in order if counted[act]]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples beside the repository")
@pytest.mark.parametrize(("kind", "name"), [case[:2] for case in _HAND_COUNTED])
def test_real_files_that_grow_are_read_as_if_at_once(kind: str, name: str, tmp_path: Path) -> None:
    place = tmp_path / kind / name
    place.parent.mkdir()
    shutil.copyfile(SAMPLES / name, place)
    data, source = place.read_bytes(), source_of(place)
    whole = counting(in_stretches(source, place, ()))
    numbers = random.Random(name)
    for _ in range(12):
        ends = sorted(numbers.sample(range(1, len(data)), k=numbers.randint(1, 8)))
        place.write_bytes(data)
        assert counting(in_stretches(source, place, ends)) == whole, ends


@pytest.mark.parametrize(
    ("kind", "message", "error_type"),
    [
        ("ResourceNotFound", "no such deployment", "ResourceNotFound"),
        ("Error", "getaddrinfo ENOTFOUND api.example.com", "network"),
        ("Error", "ECONNRESET", "network"),
    ],
)
def test_of_what_class_a_failed_request_is(kind: str, message: str, error_type: str) -> None:
    record = Session("agent", "c").api_error(1, "x", message, kind=kind)
    assert record["error_type"] == error_type

"""One incident, written by every agent in its own way, is the same card.

For three days a tool fails in 2% of the conversations, 2% of the answers are cut off and another
tool takes 180 ms. In the last hour the tool fails in 12 of 40 conversations, 14 answers are cut off
and the other tool takes three times as long. What the card says of the problem may not depend on
who wrote the telemetry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tgt import config, cycle
from tgt.outcome import RunReport

NOW = datetime(2025, 11, 3, 16, 0, tzinfo=timezone.utc)
DAYS, PER_HOUR = 3, 6
MODEL, FAILING, SLOW = "model-x", "read_file", "git_diff"
JUDGED = {"error_spike", "continuation_issue", "performance_degradation"}
ANALYZERS = "error_spike,continuation,performance"


@dataclass(frozen=True)
class Conversation:
    """A prompt, an answer that calls two tools one after another, and a last answer."""

    number: int
    start: datetime
    fails: bool
    is_cut: bool
    slow_ms: int

    @property
    def id(self) -> str:
        return f"conversation-{self.number}"

    def at(self, ms: int) -> datetime:
        return self.start + timedelta(milliseconds=ms)

    @property
    def tools(self) -> Sequence[tuple[str, int, int, bool]]:
        """Name, start, duration and whether it failed."""
        return ((FAILING, 1000, 40, self.fails), (SLOW, 1100, self.slow_ms, False))


def conversations() -> Iterator[Conversation]:
    number = 0
    for hour in range(DAYS * 24, 0, -1):
        for minute in range(0, 60, 60 // PER_HOUR):
            number += 1
            start = NOW - timedelta(hours=hour + 1) + timedelta(minutes=minute)
            slow = 150 + (number * 37) % 60
            yield Conversation(number, start, number % 50 == 7, number % 25 == 3, slow)
    for index in range(40):
        number += 1
        start = NOW - timedelta(minutes=59) + timedelta(seconds=60 * index)
        slow = 3 * (150 + (number * 37) % 60)
        yield Conversation(number, start, index % 10 in {1, 4, 7}, index % 20 < 7, slow)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def nanos(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000) * 1_000_000)


def value(given: Any) -> dict[str, Any]:
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(one) for one in given]}}
    if isinstance(given, int):
        return {"intValue": str(given)}
    return {"doubleValue": given} if isinstance(given, float) else {"stringValue": given}


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(given)} for key, given in attributes.items()]


def request(kind: str, service: str, scope: str, records: list[dict[str, Any]]) -> str:
    groups, inside, name = {
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
        "spans": ("resourceSpans", "scopeSpans", "spans"),
    }[kind]
    resource = {"attributes": pairs({"service.name": service})}
    scoped = {"scope": {"name": scope}, name: records}
    return json.dumps({groups: [{"resource": resource, inside: [scoped]}]}) + "\n"


def log(moment: datetime, name: str, **attributes: Any) -> dict[str, Any]:
    named = {key.replace("__", "."): given for key, given in attributes.items()}
    return {
        "timeUnixNano": nanos(moment),
        "body": {"stringValue": name},
        "attributes": pairs({"event.name": name, **named}),
    }


def span(
    c: Conversation, index: int, name: str, start: int, ms: int, bad: bool, **attributes: Any
) -> dict[str, Any]:
    named = {key.replace("__", "."): given for key, given in attributes.items()}
    return {
        "traceId": f"{c.number:032x}",
        "spanId": f"{c.number * 16 + index:016x}",
        "name": name,
        "startTimeUnixNano": nanos(c.at(start)),
        "endTimeUnixNano": nanos(c.at(start + ms)),
        "status": {"code": 2, "message": "boom"} if bad else {},
        "attributes": pairs(named),
    }


# --- the formats ---------------------------------------------------------------------------------


def contextlog(c: Conversation) -> str:
    ids = {"conv_id": c.id, "trace_id": f"t{c.number}"}
    answer = {"actor": "assistant", "act": "assistant_response", "model": MODEL, **ids}
    lines: list[dict[str, Any]] = [
        {"ts": iso(c.at(0)), "actor": "user", "act": "message", **ids},
        {"ts": iso(c.at(900)), "finish_reason": "tool_calls", **answer},
    ]
    lines += [
        {"ts": iso(c.at(start + ms)), "actor": "tool", "act": "tool_call", "name": name}
        | {"status": "error" if bad else "ok", "elapsed_ms": ms, **ids}
        for name, start, ms, bad in c.tools
    ]
    ended = "length" if c.is_cut else "stop"
    lines.append({"ts": iso(c.at(3000)), "finish_reason": ended, **answer})
    return "".join(json.dumps(line) + "\n" for line in lines)


def genai_spans(c: Conversation) -> str:
    common = {"gen_ai__conversation__id": c.id}
    chat = {"gen_ai__operation__name": "chat", "gen_ai__request__model": MODEL, **common}
    records = [
        span(c, 1, "chat", 300, 600, False, gen_ai__response__finish_reasons=["tool_calls"], **chat)
    ]
    for index, (name, start, ms, bad) in enumerate(c.tools):
        tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": name}
        records.append(span(c, 2 + index, f"execute_tool {name}", start, ms, bad, **tool, **common))
    ended = ["length" if c.is_cut else "stop"]
    records.append(
        span(c, 5, "chat", 2000, 1000, False, gen_ai__response__finish_reasons=ended, **chat)
    )
    return request("spans", "app", "app", records)


def openinference(c: Conversation) -> str:
    common = {"session__id": c.id}
    llm = {"openinference__span__kind": "LLM", "llm__model_name": MODEL}
    records = [span(c, 1, "x", 300, 600, False, llm__finish_reason="tool_calls", **llm, **common)]
    for index, (name, start, ms, bad) in enumerate(c.tools):
        tool = {"openinference__span__kind": "TOOL", "tool__name": name}
        records.append(span(c, 2 + index, name, start, ms, bad, **tool, **common))
    ended = "max_tokens" if c.is_cut else "end_turn"
    records.append(span(c, 5, "x", 2000, 1000, False, llm__finish_reason=ended, **llm, **common))
    return request("spans", "app", "openinference", records)


def openllmetry(c: Conversation) -> str:
    common = {"traceloop__association__properties__session_id": c.id}
    llm = {"llm__request__type": "chat", "gen_ai__request__model": MODEL}
    said = "gen_ai__response__finish_reason"
    records = [span(c, 1, "openai.chat", 300, 600, False, **{said: "tool_calls"}, **llm, **common)]
    for index, (name, start, ms, bad) in enumerate(c.tools):
        tool = {"traceloop__span__kind": "tool", "traceloop__entity__name": name}
        records.append(span(c, 2 + index, f"{name}.tool", start, ms, bad, **tool, **common))
    ended = "length" if c.is_cut else "stop"
    records.append(span(c, 5, "openai.chat", 2000, 1000, False, **{said: ended}, **llm, **common))
    return request("spans", "app", "traceloop", records)


def framework_and_provider(c: Conversation) -> str:
    """Each answer is told by the framework, too, under another model's name."""
    resource = json.loads(genai_spans(c))["resourceSpans"][0]
    records = resource["scopeSpans"][0]["spans"]
    for number, record in enumerate([r for r in records if r["name"] == "chat"]):
        times = ("startTimeUnixNano", "endTimeUnixNano")
        outer = span(c, 10 + number, "chat", 0, 0, False) | {name: record[name] for name in times}
        outer["attributes"] = pairs(
            {"openinference.span.kind": "LLM", "llm.model_name": "framework", "session.id": c.id}
        )
        record["parentSpanId"] = outer["spanId"]
        records.append(outer)
    return json.dumps({"resourceSpans": [resource]}) + "\n"


def langfuse(c: Conversation) -> str:
    def observation(kind: str, **more: Any) -> dict[str, Any]:
        return {"langfuse__observation__type": kind, "session__id": c.id, **more}

    llm = observation("generation", langfuse__observation__model__name=MODEL)
    records = [span(c, 1, "llm", 300, 600, False, **llm)]
    for index, (name, start, ms, bad) in enumerate(c.tools):
        told = observation("tool", **({"langfuse__observation__level": "ERROR"} if bad else {}))
        records.append(span(c, 2 + index, name, start, ms, False, **told))
    records.append(span(c, 5, "llm", 2000, 1000, False, **llm))
    return request("spans", "app", "langfuse-sdk", records)


def phoenix_rows(c: Conversation) -> str:
    """The same as OpenInference, exported from a data frame."""
    lines = []
    for record in json.loads(openinference(c))["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        told = {p["key"]: next(iter(p["value"].values())) for p in record["attributes"]}
        times = (record["startTimeUnixNano"], record["endTimeUnixNano"])
        start, end = (int(ns) // 1_000_000 for ns in times)
        row = {
            "name": record["name"],
            "span_kind": told["openinference.span.kind"],
            "start_time": start,
            "end_time": end,
            "context.trace_id": record["traceId"],
            "context.span_id": record["spanId"],
            "status_code": "ERROR" if record["status"] else "OK",
            "status_message": "",
            **{f"attributes.{key}": given for key, given in told.items()},
        }
        lines.append(json.dumps(row) + "\n")
    return "".join(lines)


def claude_logs(c: Conversation) -> str:
    ids = {"session__id": c.id, "prompt__id": f"p{c.number}"}
    records = [
        log(c.at(0), "user_prompt", **ids),
        log(c.at(900), "api_request", model=MODEL, request_id=f"r{c.number}a", **ids),
    ]
    for name, start, ms, bad in c.tools:
        told = {"tool_name": name, "success": str(not bad).lower(), "duration_ms": str(ms)}
        call = f"call{c.number}{name}"
        records.append(log(c.at(start + ms), "tool_result", tool_use_id=call, **told, **ids))
    records.append(log(c.at(3000), "api_request", model=MODEL, request_id=f"r{c.number}b", **ids))
    return request("logs", "claude-code", "com.anthropic.claude_code.events", records)


def claude_logs_and_spans(c: Conversation) -> str:
    """Both tell every call; the spans alone tell how a response ended."""
    ended = "max_tokens" if c.is_cut else "end_turn"
    records = []
    for index, (start, ms, which, said) in enumerate(
        ((300, 600, "a", "tool_use"), (2000, 1000, "b", ended))
    ):
        told = {"model": MODEL, "request_id": f"r{c.number}{which}", "stop_reason": said}
        name = "claude_code.llm_request"
        records.append(
            span(c, 1 + index, name, start, ms, False, success=True, session__id=c.id, **told)
        )
    for index, (name, start, ms, bad) in enumerate(c.tools):
        call = {"tool_use_id": f"call{c.number}{name}", "session__id": c.id}
        outer = span(
            c, 5 + 2 * index, "claude_code.tool", start - 90, ms + 90, False, tool_name=name, **call
        )
        inner = span(
            c, 6 + 2 * index, "claude_code.tool.execution", start, ms, bad, success=not bad, **call
        )
        records += [inner | {"parentSpanId": outer["spanId"]}, outer]
    spans = request("spans", "claude-code", "com.anthropic.claude_code.tracing", records)
    return claude_logs(c) + spans


def codex_logs(c: Conversation) -> str:
    ids = {"conversation__id": c.id, "model": MODEL}

    def codex(moment: datetime, name: str, **told: Any) -> dict[str, Any]:
        made = log(moment, name, event__timestamp=iso(moment), **told, **ids)
        return made | {"timeUnixNano": "0", "body": None, "eventName": "event somewhere.rs:1"}

    done: dict[str, Any] = {"event__kind": "response.completed", "input_token_count": "9"}
    records = [codex(c.at(0), "codex.user_prompt"), codex(c.at(900), "codex.sse_event", **done)]
    for name, start, ms, bad in c.tools:
        output = f"Wall time: {ms / 1000} seconds\nProcess exited with code {int(bad)}\nOutput:\n"
        told = {"tool_name": name, "call_id": f"k{c.number}{name}", "duration_ms": str(ms)}
        records.append(
            codex(c.at(start + ms), "codex.tool_result", success="true", output=output, **told)
        )
    records.append(codex(c.at(3000), "codex.sse_event", **done))
    return request("logs", "codex_exec", "codex", records)


def gemini_logs(c: Conversation) -> str:
    ids = {"session__id": c.id}
    said = {"model": MODEL, "duration_ms": 600, "role": "main"}
    answer = "gemini_cli.api_response"
    records = [
        log(c.at(0), "gemini_cli.user_prompt", **ids),
        log(c.at(900), answer, finish_reasons=["tool_calls"], **said, **ids),
    ]
    for name, start, ms, bad in c.tools:
        told = {"function_name": name, "success": not bad, "duration_ms": ms}
        records.append(log(c.at(start + ms), "gemini_cli.tool_call", **told, **ids))
    ended = ["length" if c.is_cut else "stop"]
    records.append(log(c.at(3000), answer, finish_reasons=ended, **said, **ids))
    return request("logs", "gemini-cli", "gemini-cli", records)


def gemini_outfile(c: Conversation) -> str:
    """The same as objects of the SDK, each over many lines."""
    documents = []
    for record in json.loads(gemini_logs(c))["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        told = {}
        for pair in record["attributes"]:
            given = next(iter(pair["value"].values()))
            if isinstance(given, dict):
                given = [next(iter(one.values())) for one in given["values"]]
            told[pair["key"]] = given
        ns = int(record["timeUnixNano"])
        document = {
            "hrTime": [ns // 10**9, ns % 10**9],
            "resource": {"_rawAttributes": [["service.name", "gemini-cli"]]},
            "instrumentationScope": {"name": "gemini-cli"},
            "attributes": told,
            "_body": "text",
        }
        documents.append(json.dumps(document, indent=2) + "\n")
    return "".join(documents)


def qwen_spans(c: Conversation) -> str:
    ids = {"session__id": c.id}
    llm = {"gen_ai__request__model": MODEL, "success": True}
    name = "qwen-code.llm_request"
    records = [span(c, 1, name, 300, 600, False, finish_reason="tool_calls", **llm, **ids)]
    for index, (tool, start, ms, bad) in enumerate(c.tools):
        told = {"gen_ai__tool__name": tool, "success": not bad}
        outer = span(c, 5 + 2 * index, "qwen-code.tool", start - 90, ms + 90, False, **told, **ids)
        inner = span(c, 6 + 2 * index, "qwen-code.tool.execution", start, ms, bad, **ids)
        records += [inner | {"parentSpanId": outer["spanId"]}, outer]
    ended = "length" if c.is_cut else "stop"
    records.append(span(c, 9, name, 2000, 1000, False, finish_reason=ended, **llm, **ids))
    return request("spans", "qwen-code", "qwen-code", records)


def claude_transcript(c: Conversation) -> str:
    def line(ms: int, kind: str, message: dict[str, Any], **more: Any) -> dict[str, Any]:
        common = {"sessionId": c.id, "cwd": "/home/me/project", "timestamp": iso(c.at(ms))}
        return {
            "type": kind,
            "message": message,
            "uuid": f"{c.number}-{ms}-{kind}",
            **common,
            **more,
        }

    def answer(ms: int, key: str, ended: str, block: dict[str, Any]) -> dict[str, Any]:
        told = {"id": f"m{c.number}{key}", "model": MODEL, "stop_reason": ended}
        return line(ms, "assistant", {"role": "assistant", "content": [block], **told})

    lines = [line(0, "user", {"role": "user", "content": "please"})]
    for name, start, ms, bad in c.tools:
        call = f"call{c.number}{name}"
        # One message, a line per block.
        block = {"type": "tool_use", "id": call, "name": name, "input": {}}
        lines.append(answer(start, "a", "tool_use", block))
        result = {"type": "tool_result", "tool_use_id": call, "is_error": bad, "content": "text"}
        lines.append(line(start + ms, "user", {"role": "user", "content": [result]}))
    ended = "max_tokens" if c.is_cut else "end_turn"
    lines.append(answer(3000, "b", ended, {"type": "text", "text": "done"}))
    return "".join(json.dumps(one) + "\n" for one in lines)


def codex_rollout(c: Conversation) -> str:
    def line(ms: int, kind: str, **payload: Any) -> dict[str, Any]:
        return {"timestamp": iso(c.at(ms)), "type": kind, "payload": payload}

    lines = [
        line(0, "session_meta", id=c.id, cwd="/home/me/project"),
        line(0, "event_msg", type="task_started", turn_id=f"turn{c.number}"),
        line(0, "turn_context", model=MODEL),
        line(0, "response_item", type="message", role="user", content=[{"text": "please"}]),
    ]
    # Both calls are of one response, the second starts when it is its turn.
    for name, start, _, _ in c.tools:
        call = {"name": name, "call_id": name, "arguments": "{}"}
        lines.append(line(start, "response_item", type="function_call", **call))
    for name, start, ms, bad in c.tools:
        output = f"Wall time: {ms / 1000} seconds\nProcess exited with code {int(bad)}\nOutput:\n"
        done = {"type": "function_call_output", "call_id": name, "output": output}
        lines.append(line(start + ms, "response_item", **done))
    said = [{"type": "output_text", "text": "done"}]
    lines.append(line(3000, "response_item", type="message", role="assistant", content=said))
    error = {"message": "Incomplete response returned, reason: max_output_tokens"}
    lines.append(line(3001, "event_msg", type="task_complete", error=error if c.is_cut else None))
    return "".join(json.dumps(one) + "\n" for one in lines)


MAPPING = """
[columns]
ts = "when"
act = "what"
name = "details.tool"
status = "details.result"
elapsed_s = "details.seconds"
conv_id = "chat"
model = "details.model"
finish_reason = "details.end"
service = {constant = "own"}
[act]
message = "asked"
assistant_response = "answered"
tool_call = "used"
[status]
error = "boom"
ok = "fine"
[finish_reason]
length = "full"
stop = "finished"
tool_calls = "acting"
"""


def mapped_lines(c: Conversation) -> str:
    lines = [
        {"what": "asked", "when": c.start.timestamp(), "chat": c.id, "details": {}},
        {"what": "answered", "when": c.at(900).timestamp(), "chat": c.id}
        | {"details": {"model": MODEL, "end": "acting"}},
    ]
    for name, start, ms, bad in c.tools:
        told = {"tool": name, "result": "boom" if bad else "fine", "seconds": ms / 1000}
        when = c.at(start + ms).timestamp()
        lines.append({"what": "used", "when": when, "chat": c.id, "details": told})
    ended = {"model": MODEL, "end": "full" if c.is_cut else "finished"}
    lines.append(
        {"what": "answered", "when": c.at(3000).timestamp(), "chat": c.id, "details": ended}
    )
    return "".join(json.dumps(line) + "\n" for line in lines)


@dataclass(frozen=True)
class Format:
    name: str
    source: str
    write: Callable[[Conversation], str]
    tells_ends: bool = True
    files: int = 1
    counts_turns: bool = False


CONTINUATION = ("continuation_issue", f"assistant_response/{MODEL}")

FORMATS = (
    Format("GenAI conventions", "otlp:{}", genai_spans),
    Format("OpenInference", "otlp:{}", openinference),
    Format("OpenLLMetry", "otlp:{}", openllmetry),
    Format("a framework around a provider", "otlp:{}", framework_and_provider),
    Format("Langfuse", "otlp:{}", langfuse, tells_ends=False),
    Format("rows of Phoenix", "otlp:{}", phoenix_rows),
    Format("Claude Code logs", "otlp:{}", claude_logs, tells_ends=False),
    Format("Claude Code logs and spans", "otlp:{}", claude_logs_and_spans, counts_turns=True),
    Format("Codex logs", "otlp:{}", codex_logs, tells_ends=False),
    Format("Gemini CLI logs", "otlp:{}", gemini_logs, counts_turns=True),
    Format("Gemini CLI outfile", "otlp:{}", gemini_outfile, counts_turns=True),
    Format("Qwen Code spans", "otlp:{}", qwen_spans, counts_turns=True),
    Format(
        "Claude Code transcripts", "claude-code:{}", claude_transcript, files=20, counts_turns=True
    ),
    Format("Codex rollouts", "codex:{}", codex_rollout, files=0, counts_turns=True),
    Format("a mapping", "ndjson:{}?map={}/../map.toml", mapped_lines),
    Format("recognised by itself", "auto:{}", gemini_logs, counts_turns=True),
)


def analyzed(directory: Path, form: Format) -> RunReport:
    logs = directory / "logs"
    (logs / "inside").mkdir(parents=True)
    (directory / "map.toml").write_text(MAPPING)
    for c in conversations():
        # A rollout is a file of its own; transcripts are some to a file here.
        number = c.number if not form.files else c.number % form.files
        path = logs if form.name == "ContextLog" else logs / "inside"
        with (path / f"rollout-{number}.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(form.write(c))
    settings = config.load(
        {
            "TASKGEN_SOURCE": form.source.replace("{}", str(logs)),
            "FGK_TASKS_DIR": str(directory / "tasks"),
            "TASKGEN_BASELINE_DAYS": str(DAYS),
            "TASKGEN_ANALYZERS": ANALYZERS,
        },
        environ={},
    )
    return cycle.run(settings, NOW, dry_run=True)


def essence(report: RunReport) -> dict[tuple[str, str], Any]:
    """What the cards say of the problems, whatever the telemetry."""
    return {
        (task.type, task.subject): (task.severity, round(task.confidence, 3))
        for task in report.tasks
        if task.type in JUDGED
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    directory = tmp_path_factory.mktemp("contextlog")
    report = analyzed(directory, Format("ContextLog", "contextlog:{}", contextlog))
    cards = essence(report)
    assert set(cards) == {
        ("error_spike", f"tool_call/{FAILING}"),
        ("continuation_issue", f"assistant_response/{MODEL}"),
        ("performance_degradation", f"tool_call/{SLOW}"),
    }
    return cards


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_same_incident_is_the_same_card(
    tmp_path: Path, form: Format, expected: dict[tuple[str, str], Any]
) -> None:
    report = analyzed(tmp_path, form)
    assert report.malformed_lines == 0
    assert not report.warnings
    visible = {
        what: told
        for what, told in expected.items()
        if form.tells_ends or what[0] != "continuation_issue"
    }
    told = essence(report)
    if form.counts_turns and CONTINUATION in told:
        # The same card with a figure of its own: of a coding agent only ends of turns are counted.
        told[CONTINUATION] = visible[CONTINUATION]
    assert told == visible
    if not form.tells_ends:
        reasons = [a.reason for a in report.abstained if a.analyzer == "continuation"]
        assert reasons == ["the telemetry tells neither finish reasons nor continuations"]

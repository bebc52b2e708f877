"""One world with thirty problems of different weight, in the order in which a person who has to
choose would take them; it was written down before any priority was looked at.

A shop's agent has 150 conversations an hour, each of which has two answers some minutes apart.
Until lately all was well. Beside it a mailer sends its letters, until it falls silent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from conftest import Line, before, call

PER_HOUR, HOURS = 150, 27
SPIKE, CUT, SLOW = "error_spike", "continuation_issue", "performance_degradation"
DOCS, UX, TOKENS = "documentation_gap", "ux_issue", "token_waste"
RECURRING, LOOP, SILENCE = "recurring_error", "retry_loop", "telemetry_silence"

ORDER: tuple[tuple[str, str, str], ...] = (
    ("outage", SPIKE, "upstream/chat_stream"),
    ("given up", UX, "conversations/aborted"),
    ("silent", SILENCE, "service/mailer"),
    ("model fails", SPIKE, "assistant_response/eta"),
    ("tool fails for a quarter", SPIKE, "tool_call/search_orders"),
    ("cut off", CUT, "assistant_response/alpha"),
    ("long waits", UX, "conversations/long_wait"),
    ("23 s slower", SLOW, "tool_call/reindex"),
    ("tool fails for 7%", SPIKE, "tool_call/pay"),
    ("tool fails a little", SPIKE, "tool_call/fetch_page"),
    ("3 s slower", SLOW, "tool_call/render"),
    ("rare tool fails", SPIKE, "tool_call/export"),
    ("cut off a little", CUT, "assistant_response/beta"),
    ("slow ones slower", SLOW, "tool_call/report"),
    ("rare tool 6 s slower", SLOW, "tool_call/archive"),
    ("undocumented, used always", DOCS, "tool_call/query_metrics"),
    ("error in 36", RECURRING, "tool_call/deploy: disk quota exceeded on <n> volumes"),
    ("cache unused", TOKENS, "assistant_response/gamma"),
    ("answers longer", TOKENS, "assistant_response/delta"),
    ("loop of 40", LOOP, "tool_call/compile_site"),
    ("error in 14", RECURRING, "tool_call/convert: libvips is not installed"),
    ("undocumented, used often", DOCS, "tool_call/tag"),
    ("loop of 12", LOOP, "tool_call/sync_stock"),
    ("400 ms slower", SLOW, "tool_call/lookup"),
    ("error in 6", RECURRING, "tool_call/print_label: printer is out of paper"),
    ("undocumented, used now and then", DOCS, "tool_call/note"),
    ("loop of 7", LOOP, "tool_call/open_ticket"),
    ("100 ms slower", SLOW, "tool_call/ping"),
    ("cheap error in 4", RECURRING, "tool_call/unzip: archive is locked by another process"),
    ("cheap error in 3", RECURRING, "tool_call/sign: clock of the signer is behind"),
)
"""What it is, and the type and subject of its card."""


@dataclass(frozen=True)
class _Tool:
    """A tool: which share of the conversations uses it, for how many seconds, and which share of
    these it fails; and how all that is for the last ``hours``."""

    share: float
    seconds: float = 0.1
    failing: float = 0.03
    hours: float = 1.0
    fails: float | None = None
    takes: float | None = None
    tail_takes: float | None = None
    calls: int = 1


_TOOLS = {
    "search_orders": _Tool(0.6, fails=0.45),
    "pay": _Tool(0.12, fails=0.6),
    "fetch_page": _Tool(0.5, failing=0.04, fails=0.17, hours=2),
    "export": _Tool(0.06, failing=0.02, fails=0.8),
    "reindex": _Tool(0.4, 2, takes=25),
    "render": _Tool(0.3, 1, takes=4),
    "lookup": _Tool(0.5, 0.2, takes=0.6),
    "ping": _Tool(0.45, 0.05, takes=0.15),
    "report": _Tool(0.35, 1.5, tail_takes=12, calls=2),
    "archive": _Tool(0.06, 3, takes=9, hours=4),
    "query_metrics": _Tool(0.8, calls=2, hours=0),
    "tag": _Tool(0.45, hours=0),
    "note": _Tool(0.2, hours=0),
}
_NEW = ("query_metrics", "tag", "note")
_OTHERS = (
    *("deploy", "convert", "print_label", "unzip", "sign"),
    *("compile_site", "sync_stock", "open_ticket"),
)
DOCUMENTED = (*(name for name in _TOOLS if name not in _NEW), *_OTHERS)

_MODELS = {"alpha": 0.30, "beta": 0.20, "gamma": 0.20, "delta": 0.20, "eta": 0.10}

_ERRORS = (
    ("deploy", "disk quota exceeded on 7 volumes", 36, 240.0),
    ("convert", "libvips is not installed", 14, 120.0),
    ("print_label", "printer is out of paper", 6, 90.0),
    ("unzip", "archive is locked by another process", 4, 2.0),
    ("sign", "clock of the signer is behind", 3, 2.0),
)
"""Tool, text, in how many conversations, and how many seconds until the tool goes well again."""

_LOOPS = (("compile_site", 40, 20.0), ("sync_stock", 12, 10.0), ("open_ticket", 7, 2.0))
"""Tool, how many calls, and how many seconds there are from one to the next."""


def lines() -> Iterator[Line]:
    """All that is logged."""
    chance = random.Random("thirty problems")
    for number in range(HOURS * PER_HOUR):
        yield from _conversation(5 + (number + chance.random()) * 60 / PER_HOUR, number, chance)
    yield from _errors()
    yield from _loops()
    yield from _letters()


def _errors() -> Iterator[Line]:
    for tool, text, many, seconds in _ERRORS:
        for number in range(many):
            minutes = 20 + number * (HOURS - 1) * 60 / many
            conv = f"{tool}-{number}"
            failure = {"status": "error", "error": text, "elapsed_ms": 300}
            yield call(minutes, conv, tool, **failure, args={"n": number})
            for other in range(3 if seconds > 60 else 0):
                yield call(minutes - (other + 1) * seconds / 300, conv, "look", elapsed_ms=50)
            yield call(minutes - seconds / 60, conv, tool, elapsed_ms=300, args={"n": -number})


def _loops() -> Iterator[Line]:
    for tool, many, seconds in _LOOPS:
        failure = {"status": "error", "error": f"{tool} refused", "args": {"page": 1}}
        for number in range(many):
            minutes = 50 - number * seconds / 60
            yield call(minutes, f"loop-{tool}", tool, **failure, elapsed_ms=400)


def _letters() -> Iterator[Line]:
    for number in range(8 * 24 * 20):
        yield call(65 + 3 * number, f"letter-{number}", "send", service="mailer")


def _conversation(minutes: float, number: int, chance: random.Random) -> Iterator[Line]:
    conv, at = f"c{number}", minutes
    lately = minutes < 60
    yield _message(at, conv)
    if chance.random() < (0.3 if lately else 0.002):
        for attempt in (1, 2, 3):
            failure = {"act": "upstream_error", "where": "chat_stream", "status": 503}
            yield {"ts": before(at - attempt / 30), "conv_id": conv, "service": "shop", **failure}
        return
    for name, tool in _TOOLS.items():
        is_on = minutes < 60 * tool.hours
        if chance.random() >= tool.share or (name in _NEW and not lately):
            continue
        fails = tool.fails if is_on and tool.fails is not None else tool.failing
        bad = chance.random() < fails
        for _ in range(tool.calls):
            seconds = tool.takes if is_on and tool.takes else tool.seconds
            if is_on and tool.tail_takes and chance.random() < 0.12:
                seconds = tool.tail_takes
            seconds *= chance.lognormvariate(0, 0.3)
            at -= seconds / 60
            told = {"status": "error"} if bad else {}
            yield _of_shop(call(at, conv, name, elapsed_ms=round(1000 * seconds), **told))
    if chance.random() < (0.12 if lately else 0.05):
        return
    model = chance.choices(list(_MODELS), list(_MODELS.values()))[0]
    waits = 14 if chance.random() < (0.5 if lately else 0.1) else 1
    at -= waits / 60
    yield _answer(at, conv, model, waits, minutes, chance)
    at -= 1.5
    yield _message(at, conv)
    yield _answer(at - 1 / 60, conv, model, 1, minutes, chance)


def _message(minutes: float, conv: str) -> Line:
    told = {"ts": before(minutes), "actor": "user", "act": "message", "conv_id": conv}
    return _of_shop(told)


def _answer(
    at: float, conv: str, model: str, seconds: float, begun: float, chance: random.Random
) -> Line:
    lately = begun < 60
    cut = {"alpha": 0.4 if lately else 0.05, "beta": 0.25 if begun < 360 else 0.05}
    finish = "length" if chance.random() < cut.get(model, 0.03) else "stop"
    fails = model == "eta" and chance.random() < (0.5 if lately else 0.01)
    context = int(20_000 * chance.lognormvariate(0, 0.3))
    cached = 0.1 if model == "gamma" and lately else 0.9
    longer = 3.0 if model == "delta" and lately else 1.0
    return _of_shop(
        {
            "ts": before(at),
            "act": "assistant_response",
            "actor": "assistant",
            "status": "error" if fails else "ok",
            "conv_id": conv,
            "model": model,
            **({} if fails else {"finish_reason": finish}),
            "elapsed_ms": round(1000 * seconds * chance.lognormvariate(0, 0.1)),
            "input_tokens": context,
            "cached_tokens": int(context * cached * chance.uniform(0.95, 1.05)),
            "output_tokens": int(longer * 300 * chance.lognormvariate(0, 0.4)),
        }
    )


def _of_shop(line: Line) -> Line:
    return {**line, "service": "shop"}

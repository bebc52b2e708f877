"""Busy weeks of a coding agent, made of real sessions: healthy ones are silent, faults one card.

Turns are cut out of transcripts of Claude Code (a directory is given; none is part of tgt) and put
together to as many sessions a day as are wanted, with ids and times of their own. Then ``tgt
backtest`` looks at the last days, once with nothing planted and once with each of the faults, which
lasts from nine to nine on one of those days.

    python -m benchmarks.busy_weeks TRANSCRIPTS
    python -m benchmarks.busy_weeks TRANSCRIPTS --faults healthy,bash_fails --days 2 --every 30m
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tgt import backtest
from tgt.backtest import Replay
from tgt.config import settings_of
from tgt.durations import parse_duration
from tgt.tasks.ledger import Action

Line = dict[str, Any]
Spoil = Callable[[random.Random, list[Line]], list[Line]]

END = datetime(2026, 3, 7, tzinfo=timezone.utc)
PROJECTS = ("shop", "website", "tools")
MODEL = "claude-opus-4-6"
# Hourly weights of a day at work.
_DAY = (*(0,) * 7, 1, 3, 5, 6, 6, 3, 5, 6, 6, 5, 4, 3, 2, 2, 1, 1, 0)
_KINDS = {"user", "assistant", "system"}
_IDS = ("uuid", "parentUuid", "id", "tool_use_id", "requestId", "sourceToolAssistantUUID")
_LONGEST_TEXT = 200
_LONGEST_GAP = timedelta(seconds=60)
_MOST_LINES = 30
USUAL_FAILURES = 0.12
_SECOND = timedelta(seconds=1)


def turns(directory: Path) -> list[list[Line]]:
    """The turns of all sessions: a person's message and what came of it."""
    cut: list[list[Line]] = []
    for path in sorted(directory.glob("*.jsonl")):
        if "subagents" in path.name:
            continue
        turn: list[Line] = []
        for line in _lines(path):
            if _is_prompt(line):
                cut.append(turn)
                turn = []
            turn.append(line)
        cut.append(turn)
    return [part for turn in cut if turn and _is_prompt(turn[0]) for part in _parts(turn)]


def _parts(turn: list[Line]) -> Iterator[list[Line]]:
    """A turn as one or, where it is long, as several, each with its prompt and its last answer."""
    places = [n for n, line in enumerate(turn) if line["type"] == "assistant" and not _uses(line)]
    if not places:
        return
    prompt, body, end = turn[0], turn[1 : places[-1]], turn[places[-1]]
    while body:
        size = min(len(body), _MOST_LINES)
        while size < len(body) and body[size]["type"] != "assistant":
            size += 1  # results stay with their calls
        part, body = body[:size], body[size:]
        yield [prompt, *part, end]


def _lines(path: Path) -> Iterator[Line]:
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        kind = line.get("type")
        is_kept = kind in _KINDS and "timestamp" in line and not line.get("isSidechain")
        if is_kept and (kind == "system" or isinstance(line.get("message"), dict)):
            yield _short(line)


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    if isinstance(value, list):
        return [_short(each) for each in value[:20]]
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return value


def _is_prompt(line: Line) -> bool:
    content = line.get("message", {}).get("content")
    is_text = isinstance(content, str) or (
        isinstance(content, list) and all(block.get("type") == "text" for block in content)
    )
    said = content if isinstance(content, str) else json.dumps(content)
    is_meta = line.get("isMeta") or "<command" in said or "[Request interrupted" in said
    return line["type"] == "user" and is_text and not is_meta


# --- sessions -------------------------------------------------------------------------------------


def session(
    rng: random.Random, pool: Sequence[list[Line]], name: str, start: datetime
) -> list[Line]:
    """Some turns one after another, with ids and times of their own."""
    project = rng.choice(PROJECTS)
    lines: list[Line] = []
    at = start
    for number in range(rng.randint(1, 4)):
        before: datetime | None = None
        for line in rng.choice(pool):
            stamp = datetime.fromisoformat(line["timestamp"])
            gap = stamp - before if before else timedelta(seconds=rng.uniform(5, 90))
            before = stamp
            at += min(max(gap, timedelta(0)), _LONGEST_GAP)
            fresh = _renamed(line, f"-{name}-{number}")
            place = {"sessionId": name, "cwd": f"/home/dev/{project}", "at": at}
            lines.append({**fresh, **place})
    return _usual(rng, lines)


def _renamed(value: Any, suffix: str) -> Any:
    if isinstance(value, list):
        return [_renamed(each, suffix) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: f"{each}{suffix}"
        if name in _IDS and isinstance(each, str)
        else _renamed(each, suffix)
        for name, each in value.items()
    }


def _usual(rng: random.Random, lines: list[Line]) -> list[Line]:
    return fail(rng, lines, "Bash", USUAL_FAILURES)


def results_of(lines: Iterable[Line], tool: str) -> Iterator[tuple[Line, dict[str, Any]]]:
    """The lines with results of a tool, and the block of each."""
    used: set[str] = set()
    for line in lines:
        content = line.get("message", {}).get("content")
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_use" and block.get("name") == tool:
                used.add(block["id"])
            elif block.get("tool_use_id") in used:
                yield line, block


def fail(rng: random.Random, lines: list[Line], tool: str, share: float) -> list[Line]:
    """The same with so many failures of a tool."""
    for line, block in results_of(lines, tool):
        failed = rng.random() < share
        block |= {"is_error": failed, "content": "Exit code 1\nmake: *** [all]" if failed else "ok"}
        line["toolUseResult"] = "Error: Exit code 1" if failed else {"stdout": "ok"}
        line.pop("toolDenialKind", None)
    return lines


# --- what is planted ------------------------------------------------------------------------------


def bash_fails(rng: random.Random, lines: list[Line]) -> list[Line]:
    """A tool fails in 60% of its calls instead of 12%."""
    return fail(rng, lines, "Bash", 0.6)


def cut_off(rng: random.Random, lines: list[Line]) -> list[Line]:
    """Of the turns that a model ends a half ends with an answer that was too long."""
    said = "API Error: the response exceeded the 32000 output token maximum."
    spoilt: list[Line] = []
    for line, following in _with_next(lines):
        spoilt.append(line)
        is_last = following is None or _is_prompt(following)
        is_of_model = line.get("message", {}).get("model") == MODEL
        if is_last and is_of_model and rng.random() < 0.5:
            spoilt.append(_told(line, said, error="max_output_tokens"))
    return spoilt


def outage(rng: random.Random, lines: list[Line]) -> list[Line]:
    """In seven of ten sessions the API is overloaded, and answers at the third attempt."""
    if rng.random() > 0.7:
        return lines
    spoilt: list[Line] = []
    for line in lines:
        spoilt.append(line)
        if _is_prompt(line):
            spoilt += [_overloaded(line, attempt) for attempt in (1, 2)]
    return spoilt


def slow_read(rng: random.Random, lines: list[Line]) -> list[Line]:  # noqa: ARG001 no chance in it
    """One tool takes four seconds longer."""
    slow = {id(line) for line, _ in results_of(lines, "Read")}
    late = timedelta(0)
    for line in lines:
        late += 4 * _SECOND if id(line) in slow else timedelta(0)
        line["at"] += late
    return lines


def interrupted(rng: random.Random, lines: list[Line]) -> list[Line]:
    """Of the sessions a half is stopped before anything is answered, and left."""
    if rng.random() > 0.5:
        return lines
    begun = lines[: 1 + next((n for n, each in enumerate(lines) if _uses(each)), 1)]
    message = {
        "role": "user",
        "content": [{"type": "text", "text": "[Request interrupted by user]"}],
    }
    return [*begun, {**_after(begun[-1], "stop"), "type": "user", "message": message}]


def _uses(line: Line) -> bool:
    content = line.get("message", {}).get("content")
    return isinstance(content, list) and any(b.get("type") == "tool_use" for b in content)


def _with_next(lines: list[Line]) -> Iterator[tuple[Line, Line | None]]:
    yield from zip(lines, [*lines[1:], None], strict=True)


def _after(line: Line, what: str) -> Line:
    shared: Line = {name: line[name] for name in ("sessionId", "cwd", "version") if name in line}
    shared["isSidechain"] = False
    ids = {"uuid": f"{line['uuid']}-{what}", "parentUuid": line["uuid"]}
    return {**shared, **ids, "at": line["at"] + _SECOND}


def _told(line: Line, said: str, **told: Any) -> Line:
    """What Claude Code says in place of an answer."""
    message = {
        "role": "assistant",
        "model": "<synthetic>",
        "content": [{"type": "text", "text": said}],
    }
    message |= {"id": f"{line['uuid']}-told"}
    return {
        **_after(line, "told"),
        "type": "assistant",
        "isApiErrorMessage": True,
        **told,
        "message": message,
    }


def _overloaded(line: Line, attempt: int) -> Line:
    error = {"status": 529, "error": {"type": "overloaded_error", "message": "Overloaded"}}
    told = {"type": "system", "subtype": "api_error", "level": "error", "error": error}
    return {**_after(line, f"try{attempt}"), **told, "retryAttempt": attempt}


@dataclass(frozen=True)
class Planted:
    """A fault, and the card that it should be."""

    spoil: Spoil | None
    type: str = ""
    subject: str = ""

    @property
    def what(self) -> tuple[str, str]:
        return self.type, self.subject


FAULTS = {
    "healthy": Planted(None),
    "bash_fails": Planted(bash_fails, "error_spike", "tool_call/Bash"),
    "cut_off": Planted(cut_off, "continuation_issue", f"assistant_response/{MODEL}"),
    "slow_read": Planted(slow_read, "performance_degradation", "tool_call/Read"),
    "interrupted": Planted(interrupted, "ux_issue", "conversations/aborted"),
    "outage": Planted(outage, "error_spike", "upstream/http_529"),
}


# --- weeks ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Week:
    """How much there is: days of history, days that are looked at, sessions a day."""

    history: int = 7
    days: int = 7
    per_day: int = 120
    seed: int = 1

    @property
    def since(self) -> datetime:
        return END - timedelta(days=self.days)

    @property
    def incident(self) -> tuple[datetime, datetime]:
        """From nine to nine in the middle of the days that are looked at."""
        day = self.since + timedelta(days=self.days // 2)
        return day + timedelta(hours=9), day + timedelta(hours=21)


def write(directory: Path, pool: Sequence[list[Line]], week: Week, planted: Planted) -> int:
    """Write the sessions of a week as Claude Code does; returns how many lines they have."""
    rng = random.Random(week.seed)
    first, last = week.incident
    written = 0
    for day in range(week.history + week.days):
        begins = week.since + timedelta(days=day - week.history)
        for number in range(week.per_day):
            hour = rng.choices(range(24), _DAY)[0]
            start = begins + timedelta(hours=hour, minutes=rng.uniform(0, 60))
            name = f"{day:04}{number:04}-0000-4000-8000-{rng.randrange(16**12):012x}"
            lines = session(rng, pool, name, start)
            if planted.spoil and first <= start < last:
                lines = planted.spoil(rng, lines)
            written += _write(directory, lines)
    return written


def _write(directory: Path, lines: list[Line]) -> int:
    first = lines[0]
    path = directory / first["cwd"].replace("/", "-") / f"{first['sessionId']}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line for line in lines if line["at"] < END]
    with path.open("w", encoding="utf-8") as stream:
        for line in lines:
            stamp = line["at"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
            stream.write(json.dumps({**line, "at": None, "timestamp": stamp}) + "\n")
    return len(lines)


def look(directory: Path, week: Week, every: timedelta) -> Replay:
    """What would have appeared in the days that are looked at."""
    given = {
        "TASKGEN_SOURCE": f"claude-code:{directory}",
        "FGK_TASKS_DIR": str(directory / "tasks"),
        "TASKGEN_BASELINE_DAYS": str(week.history),
        # What recurs in copies of the same sessions recurs because of that.
        "TASKGEN_ANALYZERS": "continuation,error_spike,docs_gap,performance,ux_issue",
    }
    settings = settings_of(given)
    return backtest.replay([settings], week.since, END, every)[0]


@dataclass(frozen=True)
class Result:
    """What one week showed: its cards, and which of them is the right one."""

    name: str
    lines: int
    seconds: float
    cards: tuple[tuple[str, str, float, float], ...]  # type, subject, confidence, hours since
    delay: float | None

    @property
    def others(self) -> int:
        return len(self.cards) - (self.delay is not None)


def measure(pool: Sequence[list[Line]], name: str, week: Week, every: timedelta) -> Result:
    planted = FAULTS[name]
    with tempfile.TemporaryDirectory(prefix="tgt-weeks-") as made:
        directory = Path(made)
        lines = write(directory, pool, week, planted)
        started = time.monotonic()
        replay = look(directory, week, every)
        seconds = time.monotonic() - started
    first, last = week.incident
    cards = [
        (step.finding, step.at)
        for step in replay.steps
        if step.action in {Action.SAVE, Action.REOPEN}
    ]
    right = [
        (at - first) / timedelta(minutes=1)
        for finding, at in cards
        if (finding.type, finding.subject) == planted.what and first <= at <= last + every
    ]
    hours = timedelta(hours=1)
    return Result(
        name,
        lines,
        seconds,
        tuple((f.type, f.subject, f.confidence, (at - week.since) / hours) for f, at in cards),
        right[0] if right else None,
    )


def table(results: Sequence[Result]) -> str:
    rows = [f"{'planted':<14}{'lines':>9}{'found after':>14}{'other cards':>13}{'seconds':>9}"]
    for each in results:
        delay = "-" if each.delay is None else f"{each.delay:.0f} min"
        rows.append(
            f"{each.name:<14}{each.lines:>9}{delay:>14}{each.others:>13}{each.seconds:>9.0f}"
        )
        rows += [
            f"    {h:6.1f} h  {kind} {what} ({sure:.2f})" for kind, what, sure, h in each.cards
        ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("transcripts", type=Path, help="a directory of transcripts of Claude Code")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which weeks, by name")
    parser.add_argument("--history", type=int, default=7, help="days before those looked at")
    parser.add_argument("--days", type=int, default=7, help="days that are looked at")
    parser.add_argument("--per-day", type=int, default=120, help="sessions a day")
    parser.add_argument("--every", default="15m", help="how often tgt runs")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    pool = turns(options.transcripts)
    if not pool:
        raise SystemExit(f"no turns in {options.transcripts}")
    week = Week(options.history, options.days, options.per_day, options.seed)
    every = parse_duration(options.every, "--every")
    results = []
    for name in options.faults.split(","):
        results.append(measure(pool, name, week, every))
        print(table(results[-1:]), file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()

"""Days of telemetry with an outage that shows in many ways, or with faults that only coincide."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Line = dict[str, Any]
MODEL = "gpt-oss-120b"
ERRORS = ("overloaded_error: try again later", "upstream connect error: reset by peer")


@dataclass
class Talk:
    """One conversation as it is written, step by step."""

    name: str
    at: datetime
    chance: random.Random
    lines: list[Line] = field(default_factory=list)

    def say(self, seconds: float, act: str, **keys: Any) -> None:
        """Something that took so many seconds."""
        self.at += timedelta(seconds=seconds)
        stamp = self.at.isoformat(timespec="milliseconds")
        self.lines.append({"ts": stamp, "act": act, "conv_id": self.name, **keys})

    def ask(self) -> None:
        self.say(0, "message", actor="user")

    def call(self, tool: str, seconds: float = 0.5, error: str = "") -> None:
        took = seconds * self.chance.uniform(0.7, 1.4)
        outcome = {"status": "error", "error": error} if error else {"status": "ok"}
        self.say(took, "tool_call", name=tool, elapsed_ms=round(took * 1000), **outcome)

    def answer(self, seconds: float = 1.0, finish: str = "stop") -> None:
        took = seconds * self.chance.uniform(0.7, 1.4)
        told = {"model": MODEL, "elapsed_ms": round(took * 1000), "finish_reason": finish}
        self.say(took, "assistant_response", actor="assistant", status="ok", **told)


Write = Callable[[Talk], None]
"""How a conversation goes."""


def usual(talk: Talk) -> None:
    """A conversation in which hardly anything goes wrong."""
    chance = talk.chance
    talk.ask()
    for tool in ("search", "web_fetch", "summarise"):
        if chance.random() < 0.03:
            talk.call(tool, error="no such page")
        talk.call(tool)
    if chance.random() < 0.03:
        return  # given up
    if chance.random() < 0.03:
        talk.answer(finish="length")
    talk.answer()


def struck(talk: Talk) -> None:
    """A conversation that meets an overloaded upstream: twelve symptoms of one outage."""
    chance = talk.chance
    talk.ask()
    talk.say(1, "upstream_error", actor="system", status=529, message="overloaded")
    talk.call("search", seconds=4)
    for _ in range(6 if chance.random() < 0.5 else 2):
        talk.call("web_fetch", error=chance.choice(ERRORS))
    talk.call("summarise", error=chance.choice(ERRORS))
    if chance.random() < 0.6:
        return  # given up
    talk.answer(seconds=12, finish="length" if chance.random() < 0.7 else "stop")
    talk.answer(seconds=8)


def write(
    directory: Path,
    end: datetime,
    how: Callable[[float, random.Random], Write],
    *,
    hours: int = 72,
    per_hour: float = 20,
    seed: int = 1,
) -> None:
    """Telemetry up to an end: ``how`` says, given the minutes before it, how a conversation goes
    that begins then."""
    directory.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    with (directory / "telemetry.jsonl").open("w", encoding="utf-8") as stream:
        for line in _lines(end, how, hours, per_hour, chance):
            stream.write(json.dumps(line) + "\n")


def _lines(
    end: datetime,
    how: Callable[[float, random.Random], Write],
    hours: int,
    per_hour: float,
    chance: random.Random,
) -> Iterator[Line]:
    minutes = hours * 60.0
    number = 0
    while (minutes := minutes - chance.expovariate(per_hour / 60)) > 0:
        number += 1
        talk = Talk(f"conv-{number}", end - timedelta(minutes=minutes), chance)
        how(minutes, chance)(talk)
        yield from (line for line in talk.lines if line["ts"] <= end.isoformat())

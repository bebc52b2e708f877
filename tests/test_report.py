"""``tgt report``: what happened, beside the time before, and nothing of it judged."""

from __future__ import annotations

import itertools
import string
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, Line, World, call, calls_of, hours_of, response
from invented_secrets import filled

from tgt import report
from tgt.analyzers import outlook
from tgt.engine.summary import Kind, SubjectSummary
from tgt.errors import TgtError
from tgt.events import Interval

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def told(
    world: World, since: timedelta = DAY, now: datetime = END, **changes: Any
) -> report.Report:
    return report.report(world.settings(**changes), now - since, now)


def subjects(of: report.Report, kind: Kind) -> dict[str, SubjectSummary]:
    return {each.subject: each for each in of.summary.subjects if each.kind is kind}


def talk(minutes: float, conv: str, bad: bool) -> list[Line]:
    """A question and its answer; a bad one is given up."""
    lines = [
        {"ts": call(minutes + 2)["ts"], "act": "message", "actor": "user", "conv_id": conv},
        call(minutes + 1, conv, status="error" if bad else "ok"),
    ]
    return [*lines, call(minutes, conv) if bad else response(minutes, conv)]


def test_numbers_stand_beside_those_of_the_time_before(world: World) -> None:
    world.write(*(call(m, f"c{m}", status="error" if m % 3 == 0 else "ok") for m in range(30)))
    world.write(*(call(60 * 24 + m, f"d{m}", elapsed_ms=100) for m in range(1, 11)))
    world.write(call(60 * 48 + 1))
    of = told(world)
    assert of.period == Interval(END - DAY, END)
    tool = subjects(of, Kind.TOOL)["tool_call/read_file"]
    assert (tool.now.events, tool.now.failures, tool.now.conversations) == (30, 10, 30)
    assert (tool.before.events, tool.before.failures) == (10, 0)
    assert tool.before.p95_ms == pytest.approx(100, rel=0.02)
    assert of.has_before


def test_conversations_are_counted_whole_now_and_before(world: World) -> None:
    world.write(*hours_of(talk, hours=48, per_hour=2, bad_of=4))
    of = told(world)
    now, before = of.conversations, of.conversations_before
    assert (now.finished, before.finished) == (46, 48), "the last hour has none"
    assert 11 <= now.aborted <= 12
    assert before.aborted == 12
    assert now.total == 46


def test_a_period_may_be_longer_than_the_baseline(world: World) -> None:
    world.write(*hours_of(talk, hours=24 * 12, per_hour=1, bad_of=0))
    of = told(world, 6 * DAY, baseline_days=1)
    assert of.conversations.finished == 6 * 24 - 1
    assert of.conversations_before.finished == 6 * 24


def test_the_first_conversation_is_enough(world: World) -> None:
    world.write(*talk(60, "only", bad=False))
    of = told(world)
    assert of.conversations.finished == of.conversations.total == 1
    assert not of.has_before
    assert subjects(of, Kind.TOOL)["tool_call/read_file"].now.events == 1
    assert of.coverage
    assert not any(each.judgeable_at for each in of.coverage if each.judgeable)


def test_calls_in_vain_are_told_with_their_conversation(world: World) -> None:
    again = [
        call(30 - m, "round", "poke", args_preview={"at": "door"}, status="error", error="shut")
        for m in range(8)
    ]
    world.write(*again, *(call(30 - m, f"c{m}", "poke") for m in range(8)))
    (loop,) = told(world).loops
    assert (loop.subject, loop.calls, loop.conv_id) == ("tool_call/poke", 8, "round")
    assert loop.minutes == pytest.approx(7, abs=0.1)


def test_no_telemetry_is_an_empty_report(world: World) -> None:
    world.logs.mkdir()
    of = told(world)
    assert of.summary.total.events == 0
    assert not of.summary.subjects
    assert not of.loops
    assert not of.warnings
    assert not of.has_before


def test_one_event_without_a_conversation(world: World) -> None:
    world.write(call(5))
    of = told(world)
    assert of.summary.total.events == 1
    assert of.conversations == report.Conversations()


def test_a_place_that_is_not_there_is_a_failure(world: World) -> None:
    with pytest.raises(TgtError, match="nowhere"):
        told(world, source=f"contextlog:{world.path / 'nowhere'}")


def test_many_tools_are_bounded(world: World) -> None:
    names = ("".join(letters) for letters in itertools.product(string.ascii_lowercase, repeat=3))
    world.write(*(call(m % 1000 / 10, f"c{m}", next(names)) for m in range(10_000)))
    of = told(world)
    assert len(of.summary.subjects) == report.MOST
    assert of.summary.left_out == {Kind.TOOL: 10_000 - report.MOST}
    per_analyzer = {each.analyzer for each in of.coverage}
    assert len(of.coverage) <= 2 * report.MOST_LOOKED_AT * len(per_analyzer)


def test_secrets_are_masked_wherever_telemetry_put_them(world: World) -> None:
    secret = filled("ghp_{alnum:36}")
    world.write(
        *(
            call(m, f"c{m}", f"curl {secret}", status="error", error=f"no access with {secret}")
            for m in range(1, 9)
        ),
        *(response(m, f"c{m}", model=secret) for m in range(1, 9)),
    )
    assert secret not in repr(told(world))
    assert "[redacted:" in repr(told(world))


def test_patterns_of_ones_own_are_masked(world: World) -> None:
    world.write(*(call(m, f"c{m}", "ask_ACME-4711") for m in range(1, 9)))
    assert "ACME-4711" in repr(told(world))
    assert "ACME-4711" not in repr(told(world, redact_patterns="ACME-[0-9]{4}"))


def test_nothing_is_written(world: World) -> None:
    world.write(*hours_of(calls_of(), hours=30))
    before = world.tree()
    told(world)
    assert world.tree() == before


def test_what_a_run_has_kept_changes_nothing(world: World) -> None:
    world.write(*hours_of(talk, hours=24 * 9, per_hour=1))
    fresh = told(world, 3 * DAY)
    world.run()
    before = world.tree()
    assert told(world, 3 * DAY) == fresh
    assert world.tree() == before


def test_a_broken_file_is_named_and_the_rest_is_told(world: World) -> None:
    world.write(call(5, "c"))
    (world.logs / "broken.jsonl.gz").write_bytes(b"\x1f\x8b no gzip")
    of = told(world)
    assert of.summary.total.events == 1
    assert any("broken.jsonl.gz" in warning for warning in of.warnings)


def test_an_analyzer_that_fails_is_named_and_the_rest_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no\nway")

    monkeypatch.setitem(outlook._OWN, "error_spike", fails)
    world.write(call(5, "c"))
    of = told(world)
    assert of.warnings == ("analyzer error_spike failed: RuntimeError: no",)
    assert {each.analyzer for each in of.coverage} > {"error_spike", "performance"}


@pytest.mark.parametrize(
    ("length", "step"),
    [
        (timedelta(minutes=1), timedelta(minutes=1)),
        (HOUR, timedelta(minutes=1)),
        (DAY, timedelta(minutes=15)),
        (4 * DAY, HOUR),
        (7 * DAY, 2 * HOUR),
        (30 * DAY, 8 * HOUR),
        (90 * DAY, DAY),
        (3650 * DAY, 28 * DAY),
    ],
)
def test_a_chart_has_no_more_than_a_hundred_steps_or_so(length: timedelta, step: timedelta) -> None:
    assert report.step_of(length) == step
    assert length / step <= 131


def test_which_telemetry_it_was(world: World, tmp_path: Path) -> None:
    world.write(call(5))
    assert told(world).sources == (f"contextlog:{tmp_path / 'context_log'}",)


def test_what_does_not_fit_into_memory_leaves_nothing_behind(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put among the temporary files, of which none stays."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    seen: list[int] = []
    world.write(*hours_of(calls_of(), hours=30))

    def look(step: str, share: float | None) -> None:
        del step, share
        seen.append(len(list(temporary.iterdir())))

    report.report(world.settings(), END - DAY, END, progress=look)
    assert max(seen) == 1
    assert list(temporary.iterdir()) == []

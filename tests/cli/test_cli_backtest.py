"""``tgt backtest`` from outside: its document, its words, its refusals; it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from conftest import END, NOW, Result, Workplace, call, calls_of, hours_of

BACKTEST = ("backtest", "--now", NOW, "--since", "3h", "--every", "30m")
HALF = {"TASKGEN_ANALYZERS": "error_spike,docs_gap"}


@pytest.fixture
def outage(workplace: Workplace) -> Workplace:
    """Two quiet days, and two hours before NOW a tool that begins to fail."""
    lines = [*hours_of(calls_of(), after=3)]
    lines += [call(179 - n, f"ok{n}") for n in range(0, 60, 4)]
    lines += [
        call(119 - n, f"bad{n}", status="error", error="\x1b[31mno <b>such</b> file")
        for n in range(0, 118, 4)
    ]
    directory = workplace.path / ".forgekeeper" / "context_log"
    directory.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "telemetry.jsonl").write_text(text, encoding="utf-8")
    return workplace


@pytest.fixture
def replay(outage: Workplace) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        return outage.tgt(*BACKTEST, *arguments, **HALF)

    return run


def test_the_document_tells_what_would_have_happened(replay: Callable[..., Result]) -> None:
    result = replay("--json")
    assert (result.status, result.err) == (0, "")
    told = result.json["backtest"]
    assert (told["since"], told["until"]) == ("2025-11-03T13:00:00.000Z", NOW)
    assert (told["everyMinutes"], told["runs"], told["idleRuns"]) == (30, 6, 0)
    assert told["findings"] >= told["filtered"] >= len(told["tasks"])
    saved = [step for step in told["steps"] if step["action"] == "save"]
    step = next(s for s in saved if s["type"] == "error_spike")
    assert step["subject"] == "tool_call/read_file"
    assert step["reason"] == "new"
    assert set(step) == {
        *("at", "action", "reason", "id", "type", "subject", "severity", "confidence", "priority")
    }
    card = next(task for task in told["tasks"] if task["id"] == step["id"])
    assert card["generatedAt"] == step["at"] > "2025-11-03T14:00:00.000Z"
    assert "diff" not in result.json
    assert result.json["message"].startswith(f"Back-test: {len(saved)} task")


def test_people_see_a_timeline_and_a_summary(replay: Callable[..., Result]) -> None:
    result = replay()
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["WHEN", "SEVERITY", "CONF"]
    assert any("new task" in line and "tool_call/read_file" in line for line in lines)
    assert any(line.startswith("  runs ") and "6, every 30 min" in line for line in lines)
    assert any(line.startswith("  a week ") for line in lines)
    assert max(len(line) for line in lines) <= 80
    assert "\x1b" not in result.out


def test_a_narrow_screen_shows_the_same(outage: Workplace) -> None:
    result = outage.tgt(*BACKTEST, COLUMNS="44", **HALF)
    assert "tool_call/read_file" in result.out
    assert max(len(line) for line in result.out.splitlines()) <= 44


def test_other_settings_lose_what_the_present_ones_show(replay: Callable[..., Result]) -> None:
    """The timeline is that of the other settings, the difference is against the present ones."""
    changes = ("--set", "TASKGEN_ANALYZERS=docs_gap", "--set", "TASKGEN_MIN_CONFIDENCE=0.6")
    document = replay(*changes, "--diff", "--json").json
    assert {step["type"] for step in document["backtest"]["steps"]} <= {"documentation_gap"}
    diff = document["diff"]
    assert diff["settings"] == {
        "TASKGEN_ANALYZERS": "docs_gap",
        "TASKGEN_MIN_CONFIDENCE": "0.6",
    }
    assert (diff["gained"], diff["moved"]) == ([], [])
    (lost,) = diff["lost"]
    assert (lost["type"], lost["subject"]) == ("error_spike", "tool_call/read_file")
    assert lost["at"] <= lost["lastSeenAt"]


def test_other_settings_gain(outage: Workplace) -> None:
    gained = outage.tgt(
        *BACKTEST,
        *("--set", "TASKGEN_ANALYZERS=error_spike", "--diff", "--json"),
        TASKGEN_ANALYZERS="continuation",
    ).json["diff"]
    assert [(g["type"], g["subject"]) for g in gained["gained"]] == [
        ("error_spike", "tool_call/read_file")
    ]
    assert (gained["lost"], gained["moved"]) == ([], [])


def test_other_settings_move(replay: Callable[..., Result]) -> None:
    """A much longer window notices later; another window is a reading of its own."""
    changes = ("--set", "TASKGEN_ERROR_SPIKE_MULTIPLIER=9", "--set", "TASKGEN_WINDOW_MIN=180")
    document = replay(*changes, "--diff", "--json").json["diff"]
    (moved,) = document["moved"]
    assert moved["subject"] == "tool_call/read_file"
    assert moved["before"] != moved["after"] == moved["at"]
    words = replay(*changes, "--diff").out
    assert "Against the present settings" in words
    assert " moved " in words


def test_the_same_settings_differ_in_nothing(replay: Callable[..., Result]) -> None:
    out = replay("--set", "TASKGEN_MIN_CONFIDENCE=0.7", "--diff").out
    assert "the same tasks at the same times" in out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--set", "TASKGEN_MIN_CONFIDENCE=7"], "TASKGEN_MIN_CONFIDENCE='7' is not usable"),
        (["--set", "FGK_TASKS_DIR=/x"], "FGK_TASKS_DIR=/x is not usable: accepted are TASKGEN_"),
        (["--set", "TASKGEN_ENABLED=0"], "TASKGEN_ENABLED=0 is not usable"),
        (["--set", "TASKGEN_MIN_CONFIDENCE"], "accepted is NAME=VALUE"),
        (["--set", "TASKGEN_MIN_CONFIDENCE="], "accepted is NAME=VALUE"),
        (["--diff"], "--diff is not usable alone"),
        (["--since", "soon"], "--since='soon' is not usable"),
        (["--since", NOW], "it must lie before the last run"),
        (["--until", "2025-11-03T16:00:01Z"], "it has not come yet"),
        (["--until", "today"], "--until='today' is not usable"),
        (["--every", "30s"], "--every='30s' is not usable: accepted is 1m or longer"),
        (["--every", "1"], "--every='1' is not usable"),
        (["--since", "3650d", "--every", "1m"], "more than 100,000 runs"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    workplace: Workplace, arguments: list[str], complaint: str
) -> None:
    result = workplace.tgt("backtest", "--now", NOW, *arguments)
    assert (result.status, result.out) == (2, "")
    assert complaint in result.err


def test_instants_and_lengths_say_the_same(outage: Workplace) -> None:
    """``--since`` is counted back from ``--until``, and the cadence is that of the settings."""
    until = (END - timedelta(hours=1)).isoformat()
    more = {"TASKGEN_INTERVAL_MIN": "45", **HALF}
    told = [
        outage.tgt("backtest", "--now", NOW, "--json", *arguments, **more).json["backtest"]
        for arguments in (
            ["--since", "90m", "--until", until],
            ["--since", "2025-11-03T13:30Z", "--until", until, "--every", "45m"],
        )
    ]
    for each in told:
        assert (each["runs"], each["since"]) == (2, "2025-11-03T13:30:00.000Z")
    what = [[(s["at"], s["type"], s["confidence"]) for s in each["steps"]] for each in told]
    assert what[0] == what[1]


def test_an_absent_directory_is_a_failure_that_names_it(workplace: Workplace) -> None:
    result = workplace.tgt(*BACKTEST, "--json")
    assert result.status == 1
    assert "context_log" in result.json["error"]


def test_an_empty_history_has_only_idle_runs(workplace: Workplace) -> None:
    (workplace.path / ".forgekeeper" / "context_log").mkdir(parents=True)
    result = workplace.tgt(*BACKTEST, "--json")
    assert result.status == 0
    told = result.json["backtest"]
    assert (told["runs"], told["idleRuns"], told["steps"], told["tasks"]) == (6, 6, [], [])
    assert "0 tasks" in result.json["message"]


def test_a_file_that_cannot_be_read_is_a_warning(outage: Workplace) -> None:
    (outage.path / ".forgekeeper" / "context_log" / "broken.jsonl.gz").write_bytes(b"no gzip")
    result = outage.tgt(*BACKTEST, "--json", **HALF)
    assert result.status == 4
    assert "broken.jsonl.gz" in result.json["backtest"]["warnings"][0]
    assert "broken.jsonl.gz" in result.err


def test_nothing_is_written_and_the_journal_does_not_matter(
    outage: Workplace, replay: Callable[..., Result]
) -> None:
    before = sorted(outage.path.rglob("*"))
    first = replay("--json").json["backtest"]
    assert sorted(outage.path.rglob("*")) == before
    outage.tgt("run", "--now", NOW, **HALF)
    journal = {file: file.read_bytes() for file in outage.tasks.rglob("*") if file.is_file()}
    second = replay("--json").json["backtest"]
    assert {f: f.read_bytes() for f in outage.tasks.rglob("*") if f.is_file()} == journal
    ignored = {"id", "tasks"}
    for one, other in zip(first["steps"], second["steps"], strict=True):
        assert {k: v for k, v in one.items() if k not in ignored} == {
            k: v for k, v in other.items() if k not in ignored
        }

"""The demo's week: the shape of a real ContextLog directory, and exactly the faults it names."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tgt import config, demo
from tgt.analyzers import documentation

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2025, 11, 9, 3, 20, tzinfo=timezone.utc)  # a Sunday night: the hardest moment
Event = dict[str, Any]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> demo.Demo:
    return demo.write(tmp_path_factory.mktemp("demo"), NOW, seed=1)


@pytest.fixture(scope="module")
def events(week: demo.Demo) -> list[Event]:
    return [event for path in _files(week.directory) for event in _read(path)]


def _files(directory: Path) -> list[Path]:
    return sorted((directory / "context_log").iterdir())


def _read(path: Path) -> list[Event]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.splitlines()]


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event["ts"])


def test_a_week_is_about_sixty_thousand_records_of_seven_days(
    week: demo.Demo, events: list[Event]
) -> None:
    assert week.lines == len(events)
    assert 50_000 < len(events) < 70_000
    times = [_time(event) for event in events]
    assert NOW - timedelta(days=7) <= min(times) < NOW - timedelta(days=6, hours=23)
    assert NOW - timedelta(minutes=2) < max(times) <= NOW, "nothing lies after the end"


def test_every_record_is_in_the_file_of_its_hour_and_files_are_in_order_of_time(
    week: demo.Demo,
) -> None:
    for path in _files(week.directory):
        hour = path.name[len("ctx-") : len("ctx-20251103-15")]
        times = [_time(event) for event in _read(path)]
        assert {f"{time:%Y%m%d-%H}" for time in times} == {hour}
        assert times == sorted(times)


def test_busy_hours_are_rotated_and_the_oldest_are_compressed(week: demo.Demo) -> None:
    names = [path.name for path in _files(week.directory)]
    assert week.files == len(names)
    assert any(name.endswith("-1.jsonl") for name in names)
    assert [name.endswith(".gz") for name in names[:3]] == [True, True, False]


def test_nights_and_weekends_are_quieter(events: list[Event]) -> None:
    per_day = Counter((NOW - _time(event)) // timedelta(days=1) for event in events)
    assert per_day[4] < 0.7 * per_day[0], "the fifth and sixth day back are a weekend"
    last_day = [event for event in events if _time(event) > NOW - timedelta(days=1)]
    per_hour = Counter((NOW - _time(event)) // timedelta(hours=1) for event in last_day)
    assert per_hour[12] < 0.4 * per_hour[0]


def test_a_traced_call_is_logged_as_start_end_and_batch_record_of_one_trace(
    events: list[Event],
) -> None:
    acts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    # The end of the week cuts the last requests in the middle.
    unfinished = {e["trace_id"] for e in events if _time(e) > NOW - timedelta(minutes=5)}
    for event in events:
        if event.get("name") and event["trace_id"] not in unfinished:
            acts[event["trace_id"], event["name"]][event["act"]] += 1
    traced = {tool.name for tool in demo.TOOLS if tool.traced}
    for (_, name), counts in acts.items():
        ends = counts["tool_execution_finish"] + counts["tool_execution_error"]
        expected = counts["tool_call"] if name in traced else 0
        assert (counts["tool_execution_start"], ends) == (expected, expected)


@pytest.fixture(scope="module")
def planted(events: list[Event]) -> dict[str, tuple[float, float]]:
    """Per fault: its measure before the fault, and since."""
    measures: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    since = {fault.subject: fault.since for fault in demo.faults(NOW)}

    def note(subject: str, at: datetime, value: float) -> None:
        measures[subject][at >= since[subject]].append(value)

    conversations: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        conversations[event["conv_id"]].append(event)
    for of_one in conversations.values():
        begin = min(map(_time, of_one))
        if _time(max(of_one, key=_time)) < NOW - timedelta(minutes=5):
            answered = any(event.get("finish_reason") == "stop" for event in of_one)
            note("conversations/aborted", begin, not answered)
        reads = [e for e in of_one if e["act"] == "tool_call" and e["name"] == "read_file"]
        if reads:
            note("tool_call/read_file", begin, any(e["status"] == "error" for e in reads))
        for event in of_one:
            if event.get("model") == "gpt-oss-120b":
                cut_off = event["finish_reason"] == "length"
                note("assistant_response/gpt-oss-120b", _time(event), cut_off)
            if event["act"] == "tool_call" and event["name"] == "git_diff":
                note("tool_call/git_diff", _time(event), event["elapsed_ms"])
    return {
        subject: (sum(before) / len(before), sum(after) / len(after))
        for subject, (before, after) in measures.items()
    }


@pytest.mark.parametrize(
    ("subject", "before", "after"),
    [
        ("tool_call/read_file", (0.01, 0.03), (0.25, 0.45)),
        ("assistant_response/gpt-oss-120b", (0.03, 0.05), (0.24, 0.40)),
        ("tool_call/git_diff", (150, 200), (350, 500)),
        ("conversations/aborted", (0.05, 0.09), (0.42, 0.68)),
    ],
)
def test_a_fault_is_there_since_it_was_planted_and_not_before(
    planted: dict[str, tuple[float, float]],
    subject: str,
    before: tuple[float, float],
    after: tuple[float, float],
) -> None:
    measured = planted[subject]
    assert before[0] < measured[0] < before[1]
    assert after[0] < measured[1] < after[1]


def test_all_tools_are_documented_but_the_planted_one(week: demo.Demo, events: list[Event]) -> None:
    documented = (week.directory / "docs" / "tools.md").read_text()
    used = {event["name"] for event in events if event["act"] == "tool_call"}
    assert {name for name in used if name not in documented} == {"query_metrics"}
    recent = [e for e in events if e.get("name") == "query_metrics"]
    assert len({e["conv_id"] for e in recent}) > 30
    assert min(map(_time, recent)) > NOW - timedelta(hours=3)


@pytest.mark.parametrize("name", ["plain", "it's # a $HOME \\ b"])
def test_the_env_file_names_the_directories_whatever_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(demo, "WEEK", timedelta(hours=1))
    week = demo.write(tmp_path / name, NOW)
    settings = config.load(environ={}, env_file=week.env_file)
    assert settings.contextlog_dir == week.directory / "context_log"
    assert settings.tasks_dir == week.directory / "tasks"
    assert settings.option(documentation.PATHS) == (week.directory / "docs",)


def test_one_seed_and_one_end_give_the_same_bytes_and_another_seed_gives_others(
    week: demo.Demo, tmp_path: Path
) -> None:
    contents = {}
    for name, seed in (("again", 1), ("other", 2)):
        demo.write(tmp_path / name, NOW, seed=seed)
        contents[name] = [path.read_bytes() for path in _files(tmp_path / name)]
    assert contents["again"] == [path.read_bytes() for path in _files(week.directory)]
    assert contents["other"] != contents["again"]

"""What measures the detector must itself be right: the worlds contain what they are labelled
with, and the judge counts as a person would."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from statistics import fmean, quantiles
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from scipy import stats

from benchmarks import archive_errors, archives, bound, detection, screenshot, worlds
from benchmarks.archive_sessions import AGENTS
from benchmarks.archives import Archive, Plan, Truth
from benchmarks.detection import Result, Seen, Verdict
from benchmarks.worlds import Fault, World
from tgt.tasks.card import Card
from tgt.templates import template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Event = dict[str, Any]
Measure = dict[str, float]
MODES = ("run", "call")
READ = (worlds.ERROR, "tool_call/read_file")


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[World], list[Measure]]:
    """Write a world with half a day of history; its measures before and during the fault."""
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 12.0)

    def measured(world: World) -> list[Measure]:
        worlds.write(world, 3, tmp_path)
        start, end = (world.faults[0].start, world.faults[0].end) if world.faults else (0.0, 12.0)
        halves: tuple[list[list[Event]], list[list[Event]]] = ([], [])
        for events in _conversations(tmp_path).values():
            first = datetime.fromisoformat(min(event["ts"] for event in events))
            hour = (first - worlds.begin(3)).total_seconds() / 3600
            if hour < end:
                halves[hour >= start].append(events)
        return [_measures(half) for half in halves]

    return measured


def _conversations(directory: Path) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for path in sorted(directory.iterdir()):
        for line in path.read_text().splitlines():
            event = json.loads(line)
            assert event["ts"].startswith(f"{path.name[4:8]}-{path.name[8:10]}-{path.name[10:12]}T")
            found[event["conv_id"]].append(event)
    return found


def _measures(conversations: list[list[Event]]) -> Measure:
    events = [event for conversation in conversations for event in conversation]
    responses = [e for e in events if e["act"] == "assistant_response"]
    searches = [e["elapsed_ms"] for e in events if e.get("name") == "search_code"]
    reading = [c for c in conversations if any(e.get("name") == "read_file" for e in c)]
    return {
        "read_file fails": fmean(
            any(e["status"] == "error" for e in c if e.get("name") == "read_file") for c in reading
        ),
        "truncated": fmean(e["finish_reason"] == "length" for e in responses),
        "aborted": fmean(
            not any(e.get("finish_reason") == "stop" for e in c) for c in conversations
        ),
        "waiting": fmean(any(e.get("elapsed_ms", 0) > 8000 for e in c) for c in conversations),
        "error heavy": fmean(
            sum(e.get("status") in ("error", 503) for e in c) > 0.3 * len(c) for c in conversations
        ),
        "search p50": quantiles(searches, n=100)[49],
        "search p95": quantiles(searches, n=100)[94],
        "undocumented": fmean(
            any(e.get("name") == "query_metrics" for e in c) for c in conversations
        ),
    }


def _named(name: str) -> World:
    (world,) = detection.choose(name, 120.0, 1, quick=True)
    return world


@pytest.mark.parametrize(
    "name", ["steady", "diurnal", "clustered_errors", "heavy_tailed", "alike_calls"]
)
def test_a_healthy_world_stays_below_every_threshold(
    measure: Callable[[World], list[Measure]], name: str
) -> None:
    for measures in measure(_named(name)):
        assert 0.01 < measures["read_file fails"] < 0.07
        assert 0.04 < measures["truncated"] < 0.06
        assert 0.06 < measures["aborted"] < 0.10
        assert measures["waiting"] < 0.10
        assert measures["error heavy"] < 0.12
        assert measures["undocumented"] == 0.0


@pytest.mark.parametrize(
    ("name", "what", "low", "high"),
    [
        ("errors_x5", "read_file fails", 0.17, 0.23),
        ("tool_outage", "read_file fails", 0.98, 1.0),
        ("truncation", "truncated", 0.20, 0.25),
        ("aborts", "aborted", 0.30, 0.42),
        ("provider_down", "aborted", 0.77, 0.87),
        ("long_waits", "waiting", 0.20, 0.30),
        ("error_heavy", "error heavy", 0.34, 0.46),
        ("undocumented_tool", "undocumented", 0.6, 0.8),
    ],
)
def test_a_fault_is_in_its_world_from_its_start_on_and_not_before(
    measure: Callable[[World], list[Measure]], name: str, what: str, low: float, high: float
) -> None:
    before, during = measure(_named(name))
    assert before[what] < 0.12
    assert low <= during[what] <= high


@pytest.mark.parametrize(
    ("name", "median", "p95"),
    [("p95_x2", 2.0, 2.0), ("tail_x2", 1.05, 2.0), ("p95_x1.5", 1.5, 1.5)],
)
def test_a_slow_world_is_slower_by_what_its_name_says(
    measure: Callable[[World], list[Measure]], name: str, median: float, p95: float
) -> None:
    before, during = measure(_named(name))
    assert during["search p50"] / before["search p50"] == pytest.approx(median, rel=0.1)
    assert during["search p95"] / before["search p95"] == pytest.approx(p95, rel=0.15)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("steady", -0.1, 0.1), ("alike_calls", 0.5, 0.7)]
)
def test_calls_are_alike_within_a_conversation_where_the_world_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, low: float, high: float
) -> None:
    """0.6 of a scatter of 0.6 and 0.5: a correlation of 0.59."""
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 24.0)
    worlds.write(_named(name), 3, tmp_path)
    pairs, largest = [], 0
    for events in _conversations(tmp_path).values():
        calls = [math.log(e["elapsed_ms"]) for e in events if e.get("name") == "run_bash"]
        largest = max(largest, sum(e.get("name") == "search_code" for e in events))
        if len(calls) > 1:
            pairs.append(calls[:2])
    first, second = zip(*pairs, strict=True)
    assert low < stats.pearsonr(first, second).statistic < high
    assert (largest >= worlds.HEAP) is (name == "alike_calls")


def test_a_seed_makes_the_same_world_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 6.0)
    contents: list[dict[str, bytes]] = []
    for seed in (5, 5, 6):
        directory = tmp_path / str(len(contents))
        worlds.write(_named("errors_x5"), seed, directory)
        contents.append({path.name: path.read_bytes() for path in directory.iterdir()})
    assert contents[0] == contents[1] != contents[2]


FAULT = Fault(*READ, start=1.0, end=7.0, also=(worlds.HEAVY,))


@pytest.mark.parametrize(
    ("seen", "delay", "cards", "consequences", "right", "false", "reason"),
    [
        ([], None, 0, 0, False, 0, "nothing was found"),
        ([Seen(1.75, *READ, 0.9)], 45.0, 1, 0, True, 0, "found after three runs"),
        ([Seen(0.5, *READ, 0.9)], None, 0, 0, False, 1, "a card before the fault is false"),
        ([Seen(7.5, *READ, 0.9)], 390.0, 1, 0, True, 0, "the last hour still contains it"),
        ([Seen(8.5, *READ, 0.9)], None, 0, 0, False, 1, "a card long after it is false"),
        (
            [Seen(1.5, *worlds.HEAVY, 0.8), Seen(2.0, *READ, 0.9)],
            *(60.0, 1, 1, True, 0, "a consequence is neither false nor the subject"),
        ),
        (
            [Seen(1.5, worlds.ERROR, "tool_call/run_bash", 0.8), Seen(2.0, *READ, 0.9)],
            *(60.0, 1, 0, False, 1, "the first card names something else"),
        ),
        (
            [Seen(2.0, *READ, 0.9), Seen(3.0, *READ, 0.8)],
            *(60.0, 2, 0, True, 0, "two cards for one fault are counted"),
        ),
    ],
)
def test_judging_one_fault(
    *,
    seen: list[Seen],
    delay: float | None,
    cards: int,
    consequences: int,
    right: bool,
    false: int,
    reason: str,
) -> None:
    verdicts, wrong = detection.judge([FAULT], seen)
    assert verdicts == [Verdict(FAULT, delay, cards, consequences, right)], reason
    assert len(wrong) == false, reason


def test_of_two_faults_at_once_each_is_found_by_its_own_card() -> None:
    other = Fault(worlds.CUT, "assistant_response/gpt-oss-120b", 1.0, 7.0)
    seen = [Seen(1.5, other.type, other.subject, 0.9), Seen(2.0, *READ, 0.9)]
    verdicts, wrong = detection.judge([FAULT, other], seen)
    assert [(verdict.delay, verdict.right) for verdict in verdicts] == [(60, True), (30, True)]
    assert not wrong


def test_a_fault_that_comes_again_is_no_other_fault() -> None:
    again = replace(FAULT, start=25.0, end=31.0)
    seen = [Seen(1.5, *READ, 0.9), Seen(25.5, *READ, 0.9, reopened=True)]
    verdicts, wrong = detection.judge([FAULT, again], seen)
    assert [(verdict.delay, verdict.right) for verdict in verdicts] == [(30, True), (30, True)]
    assert not wrong


def test_false_cards_are_scaled_to_a_week_and_averaged_over_seeds() -> None:
    false = [Seen(1.0, *READ, 0.9)]
    results = [
        Result("steady", 1, hours=14 * 24.0, false=false * 3),
        Result("steady", 2, hours=14 * 24.0),
        Result("errors", 1, hours=8.0, verdicts=[Verdict(FAULT, 15.0, 1, 0, right=True)]),
    ]
    (steady,) = detection.false_cards(results).values()
    assert (steady.cards, steady.weeks, steady.rate) == (3, 4.0, 0.75)
    assert stats.poisson.cdf(3, 4 * steady.most) == pytest.approx(0.05)
    assert stats.poisson.sf(2, 4 * steady.least) == pytest.approx(0.05)
    assert detection.FalseCards(0, 4.0).least == 0.0
    assert detection.by_fault(results)["errors"]["found"] == 1.0


def test_delays_are_of_all_faults_and_stand_beside_what_can_be_known() -> None:
    delays = ((15.0, 15.0), (30.0, None), (60.0, 45.0), (None, 30.0))
    verdicts = [
        Verdict(FAULT, delay, 1 if delay else 0, 0, right=True, bound=known)
        for delay, known in delays
    ]
    result = Result("errors", 1, hours=8.0, verdicts=verdicts, has_bounds=True)
    figures = detection.by_fault([result])["errors"]
    assert (figures["found"], figures["medianDelayMinutes"]) == (0.75, 30.0)
    assert figures["delay90Minutes"] is None, "one of four is never found"
    assert (figures["boundFound"], figures["boundMedianDelayMinutes"]) == (0.75, 30.0)
    assert detection.together([result])["known within 45 min"]["faults"] == 3
    assert "| known" in detection.text([result])
    assert "| known" not in detection.text([replace(result, has_bounds=False)])


@pytest.mark.parametrize("name", ["errors_x8", "tail_x3", "error_heavy"])
def test_who_knows_everything_sees_a_fault_soon_and_none_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 1.0)
    world = _named(name)
    world = replace(world, hours=3.0)
    (fault,) = (replace(each, end=2.0) for each in world.faults)
    worlds.write(world, 4, tmp_path / "ill")
    seen = bound.delay(world, 4, fault, tmp_path / "ill")
    assert seen is not None
    assert seen <= 60
    worlds.write(replace(world, change=lambda _, now: now), 4, tmp_path / "sound")
    assert bound.delay(world, 4, fault, tmp_path / "sound") is None


def test_the_reliability_table_counts_findings_and_the_first_of_each() -> None:
    readings = [
        (1.0, *READ, 0.92, True),
        (1.25, *READ, 0.93, True),
        (1.0, *worlds.HEAVY, 0.9, False),
    ]
    table = detection.reliability_table([Result("w", 1, hours=8.0, readings=readings)])
    (row,) = table
    assert (row["from"], row["findings"], row["first"]) == (0.9, 3, 2)
    assert row["true"] == pytest.approx(2 / 3)
    assert row["firstTrue"] == 0.5
    assert row["subjects"] == 2
    wilson = stats.binomtest(2, 3).proportion_ci(0.9, method="wilson")
    assert detection.interval(2 / 3, 3) == pytest.approx((wilson.low, wilson.high), abs=1e-3)
    assert row["trueAtLeast"] < wilson.low, "three findings of two subjects tell less than three"
    assert row["trueAtMost"] > wilson.high


def test_a_finding_is_true_while_its_longest_window_can_hold_the_fault() -> None:
    assert not detection.is_true([FAULT], 0.9, READ)
    assert detection.is_true([FAULT], 1.0, READ)
    assert detection.is_true([FAULT], 20.0, worlds.HEAVY)
    assert not detection.is_true([FAULT], 32.0, READ)
    assert not detection.is_true([FAULT], 2.0, (worlds.ERROR, "tool_call/run_bash"))


def test_the_tables_name_every_world_false_card_and_missed_fault() -> None:
    results = [
        Result("steady", 1, hours=24.0, false=[Seen(1.0, *READ, 0.9)]),
        Result("errors", 2, hours=8.0, verdicts=[Verdict(FAULT, None, 0, 0, right=False)]),
    ]
    text = detection.text(results)
    assert "steady seed 1, hour 1.00: error_spike tool_call/read_file (0.90)" in text
    assert "errors seed 2: error_spike tool_call/read_file" in text
    assert json.loads(json.dumps(detection.document(results)))["seeds"] == [1, 2]
    assert detection.outcome(results[0]) == "steady seed 1: 1 false card(s)"
    assert "tool_call/read_file not found" in detection.outcome(results[1])


def test_an_unknown_world_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=r"no world 'stedy'.*steady"):
        detection.choose("stedy", 40.0, 1, quick=False)


def test_the_picture_shows_the_list_and_refers_to_nothing_outside_itself() -> None:
    titles = ["Errors of read_file", "a < b & c"]
    cards = [
        Card(
            {
                "id": f"01K9CX6840{index}",
                "title": title,
                "severity": "high",
                "status": "generated",
                "generatedAt": "2025-11-06T15:40:00.000Z",
            }
        )
        for index, title in enumerate(titles)
    ]
    svg = screenshot.picture(cards)
    drawn = "".join(ET.fromstring(svg).itertext()).replace("\xa0", " ")
    for title in titles:
        assert title in drawn
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


def test_the_command_and_the_cycle_give_the_same_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 30.0)
    outage = next(w for w in worlds.faulty(60.0, start=0.0) if w.name == "tool_outage")
    world = replace(outage, hours=0.75)
    results = {mode: detection.measure(world, 1, mode, reliability=False) for mode in MODES}
    for result in results.values():
        assert (result.problems, result.false, result.runs) == ([], [], 3)
        (verdict,) = result.verdicts
        assert verdict.delay in {15.0, 30.0, 45.0}
        assert (verdict.cards, verdict.right) == (1, True)
    assert results["run"].verdicts == results["call"].verdicts


def test_findings_below_the_gate_are_read_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds, "HISTORY_HOURS", 30.0)
    outage = next(w for w in worlds.faulty(60.0, start=0.0) if w.name == "tool_outage")
    bench = detection.Bench(tmp_path, replace(outage, hours=1.0), 1)
    readings = bench.readings(bench.times()[-1])
    assert (1.0, *READ, True) in {(hour, *what, true) for hour, *what, _, true in readings}
    assert not (tmp_path / "tasks").exists()


# --- archives of sessions -------------------------------------------------------------------------

KNOWN = ("no-command-tree", "docker-daemon", "ssh-timeout", "environment-variable-missing")


@pytest.mark.parametrize("agent", list(AGENTS))
def test_a_small_archive_shows_what_was_planted_and_nothing_else(agent: str) -> None:
    plan = Plan(agent, 2, sessions=8, planted=len(KNOWN), loops=2, only=KNOWN)
    result = archives.measure(archive_errors.load(), plan)
    assert (result.planted, result.missed, result.false) == (len(KNOWN), {}, [])
    assert (result.loops, result.loops_found, result.false_loops) == (2, 2, {})
    assert result.missed_tools == []


def test_a_seed_makes_the_same_archive_again(tmp_path: Path) -> None:
    contents: list[dict[str, bytes]] = []
    for seed in (5, 5, 6):
        directory = tmp_path / str(len(contents))
        Archive(archive_errors.load(), Plan("claude-code", seed, sessions=4)).write(directory)
        contents.append({path.name[9:]: path.read_bytes() for path in directory.rglob("*.jsonl")})
    assert contents[0] == contents[1] != contents[2]


def test_an_archive_knows_in_which_sessions_an_error_is(tmp_path: Path) -> None:
    truth = Archive(archive_errors.load(), Plan("codex", 2, only=("git-norebase",))).write(tmp_path)
    said = "fatal: No rebase in progress?"
    assert truth.planted == {"git-norebase": {said}}
    written = {
        int(path.stem[-12:]) for path in tmp_path.rglob("*.jsonl") if said in path.read_text()
    }
    assert truth.sessions[said] == written
    assert len(written) >= archives.RECURS


def test_all_error_texts_can_be_filled_in_and_problems_say_something() -> None:
    data = archive_errors.load()
    words = archive_errors.Words(random.Random(1), data)
    for family in data.families:
        for text in family.texts:
            filled = words.fill(text)
            assert family.noise or template(filled), family.name


def test_what_is_kept_comes_again_and_unknown_placeholders_are_refused() -> None:
    words = archive_errors.Words(random.Random(1), archive_errors.load())
    first, again, other = words.fill("{n#1} {n#1} {n#2}").split()
    assert first == again != other
    assert words.fill("{Name} {NAME} {a b}").endswith(" {a b}")
    with pytest.raises(SystemExit, match=r"\{nmae\} is no placeholder: there are name"):
        words.fill("in {nmae}")


TREE, MAKE = "tree: command not found", "make: not there"


@pytest.mark.parametrize(
    ("cards", "missed", "false", "reason"),
    [
        ([TREE], {}, [], "found"),
        ([], {"no-tree": [TREE]}, [], "no card"),
        ([TREE, MAKE], {}, [], "came up in three sessions by chance"),
        ([TREE, "Using config"], {}, ["Using config"], "what stood before an error is none"),
        ([TREE, "once"], {}, ["once"], "in two sessions only"),
    ],
)
def test_judging_recurring_errors(
    cards: list[str], missed: dict[str, list[str]], false: list[str], reason: str
) -> None:
    truth = Truth({"no-tree": {TREE}}, {TREE: {1, 2, 3}, MAKE: {1, 2, 4}, "once": {1, 2}})
    result = archives.judge("a", truth, cards, {}, 1.0)
    assert (result.missed, result.false) == (missed, false), reason


@pytest.mark.parametrize(
    ("cards", "found", "missed", "false", "reason"),
    [
        ({"Bash": 2, "Edit": 1}, 3, [], {}, "found"),
        ({"Bash": 1}, 1, ["Edit"], {}, "no card about a tool"),
        ({"Bash": 3, "Edit": 1, "Read": 1}, 3, [], {"Bash": 1, "Read": 1}, "more than planted"),
    ],
)
def test_judging_loops(
    cards: dict[str, int], found: int, missed: list[str], false: dict[str, int], reason: str
) -> None:
    truth = Truth(loops=Counter({"Bash": 2, "Edit": 1}))
    result = archives.judge("a", truth, [], cards, 1.0)
    told = (result.loops_found, result.missed_tools, result.false_loops)
    assert told == (found, missed, false), reason


def test_the_table_of_archives_has_totals_and_names_what_is_wrong_if_asked() -> None:
    truth = Truth({"no-tree": {TREE}, "no-make": {MAKE}}, loops=Counter({"Edit": 1}))
    result = archives.judge("codex 1", truth, [TREE, "config"], {"Bash": 1}, 1.0)
    brief, told = archives.table([result]), archives.table([result], verbose=True)
    assert brief.endswith("recall 50.0%, precision 50.0%")
    for line in (f"missed no-make: {MAKE}", "false: config", "no loop of Edit", "1 false loops"):
        assert f"codex 1: {line}" in told
        assert line not in brief
    assert json.loads(json.dumps(archives.document([result])))["totals"]["recall"] == 0.5

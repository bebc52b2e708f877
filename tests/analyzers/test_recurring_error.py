"""Errors that come again, sought in real files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from conftest import END, Line, World, call, calls_of, hours_of

from tgt.analyzers.base import Analysis
from tgt.analyzers.figures import LONGEST_TEXT
from tgt.analyzers.recurring_error import RecurringErrorAnalyzer, shortened
from tgt.events import Interval
from tgt.tasks.card import TaskType, fingerprint

Judge = Callable[..., Analysis]
ANALYZER = RecurringErrorAnalyzer()
DAY = 24 * 60
NO_FROB = "bash: line {n}: frob: command not found"
HOOK = "Pre-commit validation failed: [CREDO]"


def _failure(minutes: float, conv: str, error: str = HOOK, name: str = "Bash", **keys: str) -> Line:
    return call(minutes, conv, name, status="error", error=error, **keys)


def _days(n: int, error: str = HOOK, name: str = "Bash") -> list[Line]:
    """One failure in each of so many conversations, the newest half an hour ago, each an eighth
    of a day before the next; nothing of the tool goes well afterwards."""
    texts = (error.replace("{n}", str(7 * i + 3)) for i in range(n))
    return [_failure(30 + i * DAY / 8, f"{name}{i}", text, name) for i, text in enumerate(texts)]


def _subjects(analysis: Analysis) -> list[str]:
    return [finding.subject for finding in analysis.findings]


CONTROL = _days(3, "fatal: not a git repository (or any of the parent directories): .git", "Git")
CONTROL_SUBJECT = (
    "tool_call/Git: fatal: not a git repository (or any of the parent directories): .git"
)


@pytest.mark.parametrize(
    ("n", "severity", "sure"),
    [
        (2, None, 0),
        (3, "medium", 0.7),
        (9, "medium", 0.9),
        (10, "high", 0.91),
        (29, "high", 0.969),
        (30, "critical", 0.97),
    ],
)
def test_the_minimum_and_the_steps_of_severity(
    world: World, judge: Judge, n: int, severity: str | None, sure: float
) -> None:
    world.write(*_days(n))
    analysis = judge(ANALYZER)
    assert [str(f.severity) for f in analysis.findings] == ([severity] if severity else [])
    assert [f.confidence for f in analysis.findings] == (
        [pytest.approx(sure, abs=1e-3)] if severity else []
    )


def test_a_card_says_what_where_and_what_to_do(world: World, judge: Judge) -> None:
    lines = _days(4, NO_FROB)
    world.write(*({**line, "service": f"s{i % 2}"} for i, line in enumerate(lines)))
    world.write(*(call(20 + i, f"ok{i}", "Bash") for i in range(6)))
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == "tool_call/Bash: frob: command not found"
    assert finding.title == "Bash fails again and again: frob: command not found"
    details = finding.evidence.details
    assert (details["k"], details["n"], details["errors"]) == (4, 10, 4)
    assert details["services"] == ["s0", "s1"]
    assert details["tool"] == "tool_call/Bash"
    assert details["firstErrorAt"] < details["lastErrorAt"]
    assert finding.fix.changes[0].startswith("Install frob, or add to CLAUDE.md or AGENTS.md")
    texts = [sample["text"] for sample in finding.evidence.samples]
    assert texts == [NO_FROB.replace("{n}", n) for n in ("3", "10", "17")]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (
            [
                _failure(30 + i, f"c{i}", text)
                for i, text in enumerate(
                    (
                        "frob: command not found",
                        "fatal: not a git repository",
                        "disk quota exceeded",
                    )
                )
            ],
            "three different errors",
        ),
        ([_failure(30 + i, "c") for i in range(20)], "one conversation"),
        ([_failure(30 + i, f"c{i}", "Exit code 1") for i in range(5)], "texts that say nothing"),
        (
            [_failure(30 + i, f"c{i}", "Sibling tool call errored") for i in range(5)],
            "calls that fell with another of their message",
        ),
        (
            [_failure(30 + i, f"c{i}", error_type="user_rejected") for i in range(5)],
            "a person who said no",
        ),
        (
            [_failure(30 + i, f"c{i}", "The user doesn't want to proceed") for i in range(5)],
            "a person who said no, in words",
        ),
        (
            [{**_failure(30 + i, f"c{i}"), "status": "cancelled"} for i in range(5)],
            "calls that were cancelled",
        ),
        ([_failure(30 + DAY * 8 + i, f"c{i}") for i in range(5)], "errors of last week"),
        ([_failure(90 + i, f"c{i}") for i in range(5)], "none of them in this window"),
        (
            [_failure(30, "c0"), _failure(31, "c1"), _failure(30 + DAY * 8, "c2")],
            "the third of them too long ago",
        ),
        ([_failure(30 + i, f"c{i}", name=f"tool{i}") for i in range(3)], "three different tools"),
    ],
)
def test_what_does_not_recur(world: World, judge: Judge, lines: list[Line], why: str) -> None:
    world.write(*lines, *CONTROL)
    assert _subjects(judge(ANALYZER)) == [CONTROL_SUBJECT], why


def test_how_long_it_counts_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*(_failure(30 + i * DAY, f"c{i}") for i in range(3)))
    assert judge(ANALYZER, recurring_days=2).findings == ()
    assert len(judge(ANALYZER, recurring_days=3).findings) == 1


@pytest.mark.parametrize(
    ("after", "severity", "why"),
    [
        (lambda m, c: [call(m - 0.5, c, "Bash")], "low", "the next call went well"),
        (lambda m, c: [call(m - 2, c, "Bash")], "medium", "it took two minutes"),
        (
            lambda m, c: [call(m - 0.2, c, "Read"), call(m - 0.4, c, "Bash")],
            "medium",
            "it took two calls",
        ),
        (lambda m, c: [call(m - 0.2, c, "Read")], "medium", "the tool never went well again"),
    ],
)
def test_what_cost_little_is_low(
    world: World,
    judge: Judge,
    after: Callable[[float, str], Iterable[Line]],
    severity: str,
    why: str,
) -> None:
    for i in range(5):
        world.write(_failure(30 + i, f"c{i}"), *after(30 + i, f"c{i}"))
    (finding,) = judge(ANALYZER).findings
    assert finding.severity == severity, why


MISSING = "<tool_use_error>File does not exist.</tool_use_error>"


def _looks(n: int, path: str, later: float = 0.2) -> list[Line]:
    """Reads of files that are not there, and of one that is a little later."""
    return [
        line
        for i in range(n)
        for line in (
            _failure(50 - i, f"c{i}", MISSING, "Read", args_preview=path.format(i)),
            call(50 - i - later, f"c{i}", "Read", args_preview="a.py"),
        )
    ]


@pytest.mark.parametrize(
    ("lines", "is_found", "why"),
    [
        (_looks(5, "src/{}.py"), False, "another file in each conversation"),
        (_looks(5, "src/conf.py"), True, "the same file"),
        (_looks(5, "src/{}.py", later=3), True, "it took long to go on"),
        (_looks(10, "src/{}.py"), True, "many conversations"),
        (
            [line for line in _looks(5, "src/{}.py") if line["status"] == "error"],
            True,
            "nothing was read afterwards",
        ),
        (
            [{k: v for k, v in line.items() if k != "args_preview"} for line in _looks(5, "")],
            True,
            "nobody tells which file",
        ),
        (
            [
                {**line, "error": f"bash: line {i}: .venv/bin/activate: No such file or directory"}
                if "error" in line
                else line
                for i, line in enumerate(_looks(5, "{}"))
            ],
            True,
            "a script that was to be run",
        ),
        (
            [{**line, "error": HOOK} if "error" in line else line for line in _looks(5, "{}")],
            True,
            "another error",
        ),
    ],
)
def test_looking_for_files_is_no_error(
    world: World, judge: Judge, lines: list[Line], is_found: bool, why: str
) -> None:
    world.write(*lines)
    analysis = judge(ANALYZER)
    assert (len(analysis.findings), len(analysis.abstained)) == (is_found, not is_found), why


def test_a_card_says_that_it_was_the_very_same_call(world: World, judge: Judge) -> None:
    world.write(*_looks(4, "src/conf.py"))
    (finding,) = judge(ANALYZER).findings
    assert "In 4 of them it was the very same call." in finding.description


def _spike(error: str) -> Iterable[Line]:
    """Bash, healthy for two days, fails with one text in most conversations of the last hour."""
    yield from hours_of(calls_of("Bash"), hours=72, per_hour=10, bad_of=0)
    for i in range(30):
        yield _failure(1 + i, f"now{i}", error.replace("{n}", f"{i}"))


def test_what_is_the_whole_of_a_spike_is_not_told_again(world: World, judge: Judge) -> None:
    world.write(*_spike(HOOK))
    assert judge(ANALYZER).findings == ()
    assert len(judge(ANALYZER, analyzers="recurring_error").findings) == 1, "no spike is sought"


def test_what_is_a_part_of_a_spike_recurs(world: World, judge: Judge) -> None:
    world.write(*_spike(HOOK))
    world.write(*(_failure(1 + i, f"now{i}", "disk quota exceeded") for i in range(10)))
    assert len(judge(ANALYZER).findings) == 2


def test_what_recurred_before_a_spike_is_told(world: World, judge: Judge) -> None:
    world.write(*_spike(HOOK))
    world.write(*(_failure(2 * DAY + 5 + i, f"then{i}") for i in range(3)))
    assert _subjects(judge(ANALYZER)) == [f"tool_call/Bash: {HOOK}"]


def test_an_open_spike_tells_it_too(world: World) -> None:
    from tgt.analyzers.base import Context  # as in the fixtures
    from tgt.engine.registry import open_timeline, telemetry_of

    world.write(*_days(3))
    settings = world.settings(analyzers="recurring_error")
    window = Interval(END - timedelta(hours=1), END)
    spike = fingerprint(TaskType.ERROR_SPIKE, "tool_call/Bash")
    for start, many in ((END - timedelta(days=1), 0), (END - timedelta(minutes=45), 1)):
        incidents = {spike: [Interval(start, END)]} if not many else {}
        with open_timeline(settings, telemetry_of(settings), (), window) as timeline:
            context = Context(settings, timeline.at(window), window, incidents)
            assert len(ANALYZER.analyze(context).findings) == many


def test_a_text_is_bounded_and_remains_itself() -> None:
    short, long = "a" * LONGEST_TEXT, "b" * 150
    assert shortened(short) == short
    assert len(shortened(long)) == LONGEST_TEXT
    assert shortened(long + "x") != shortened(long + "y"), "what was cut off still tells them apart"


def test_a_title_is_cut_at_a_word_and_a_sentence_ends_once(world: World, judge: Judge) -> None:
    error = "ledger.Locked: the ledger is locked by somebody else who may be at work. Was it you?"
    for i in range(3):
        world.write(_failure(30 + i, f"c{i}", error), call(29.5 + i, f"c{i}", "Bash"))
    (finding,) = judge(ANALYZER).findings
    assert finding.title == (
        "Bash fails again and again: ledger.Locked: the ledger is locked by somebody else who may"
        " be at work. Was…"
    )
    assert "Was it you? It took 1 further call and" in finding.description


def test_samples_of_long_outputs_show_the_error(world: World, judge: Judge) -> None:
    progress = "\n".join(f"step {n} of 40 is done" for n in range(40))
    world.write(*_days(3, f"Exit code 1\n{progress}\n{HOOK}"))
    (finding,) = judge(ANALYZER).findings
    assert [sample.text for sample in finding.examples] == [f"… {HOOK}"] * 3


def test_a_text_with_an_at_sign_names_no_service(world: World, judge: Judge) -> None:
    world.write(*_days(3, "npm error 404 @scope/ui is not in this registry"))
    (subject,) = _subjects(judge(ANALYZER))
    assert "@" not in subject


def test_two_weeks_of_one_person_give_one_card_an_error(world: World) -> None:
    """Eight sessions a day; two errors recur from the third conversation on, others do not."""
    for day in range(14):
        for session in range(8):
            start, conv = DAY * (13 - day) + 60 * (10 - session) + 30, f"d{day}s{session}"
            world.write(*(call(start - i, conv, "Bash") for i in range(5)))
            world.write(
                _failure(
                    start - 6, conv, f"{'abcdefghijklmn'[day]}{'abcdefgh'[session]}q broke down"
                )
            )
            if session == 0 and day in {2, 4, 6, 9}:
                world.write(_failure(start - 7, conv, NO_FROB.replace("{n}", f"{day}")))
            if session == 1 and day in {8, 9, 10, 11, 12}:
                world.write(_failure(start - 8, conv, HOOK))
    saved = [
        (day, task.subject)
        for day in range(14, -1, -1)
        for task in world.run(
            END - timedelta(days=day), window_min=DAY, analyzers="recurring_error"
        ).tasks
    ]
    assert saved == [
        (7, "tool_call/Bash: frob: command not found"),
        (3, f"tool_call/Bash: {HOOK}"),
    ]

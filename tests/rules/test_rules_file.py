"""A rules file: what is understood of it, and what is refused with its line and reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tgt import config
from tgt.errors import SettingsError
from tgt.rules.reading import LARGEST_FILE, MOST_RULES, Entry, read
from tgt.rules.rule import Limit, Measure, Rule, Rules
from tgt.rules.words import filled
from tgt.tasks.card import Severity

RULE = """
[[rules]]
name = "slow-grep"
measure = "p95"
where = '''
act = 'tool_call'
  AND name LIKE 'grep%'
'''
times_usual = 2
title = "{subject} has become slow"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rules.toml"


def problems(file: Path, text: str) -> list[str]:
    """What is not usable, as ``line: reason``."""
    file.write_text(text, encoding="utf-8")
    told = read(file)
    each = [*told.problems, *(problem for entry in told.entries for problem in entry.problems)]
    assert bool(each) is bool(told.refusal)
    return [f"{problem.line}: {problem.reason}" for problem in each]


def entry(file: Path, text: str) -> Entry:
    file.write_text(text, encoding="utf-8")
    (only,) = read(file).entries
    return only


def test_a_rule_that_is_understood(file: Path) -> None:
    assert entry(file, RULE).rule == Rule(
        "slow-grep",
        Measure.P95,
        "{subject} has become slow",
        2,
        where="((act = 'tool_call') AND (name LIKE 'grep%'))",
        times_usual=2.0,
    )


def test_all_keys_of_a_rule(file: Path) -> None:
    text = """[[rules]]
name = "a_1"
measure = "share"
where = "act = 'tool_call'"
counted = "failed"
by = "service"
more_than = 0
min_conversations = 5
severity = "critical"
title = "{subject}: {value}, usually {usual}"
fix = ["One {value}", "Two"]
"""
    rule = entry(file, text).rule
    assert rule is not None
    assert (rule.by, rule.counted, rule.more_than, rule.times_usual) == (
        *("service", "failed"),
        *(0.0, None),
    )
    assert (rule.severity, rule.min_conversations) == (Severity.CRITICAL, 5)
    assert rule.fix == ("One {value}", "Two")


def _changed(old: str, new: str) -> str:
    assert old in RULE
    return RULE.replace(old, new)


CASES = tomllib.loads((Path(__file__).parent / "refused.toml").read_text(encoding="utf-8"))["case"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *((c.get("text") or _changed(c["old"], c["new"]), c["told"]) for c in CASES),
        (_changed("{subject}", "x" * 120), ["10: title is longer than 120 characters"]),
        (RULE + RULE, ["12: the rule in line 2 has this name, too"]),
        ("[[rules]]\n" * (MOST_RULES + 1), [f"1: more than {MOST_RULES} rules"]),
        ("x = " + "[" * 5000, ["1: it is nested too deep"]),
        ("#" * (LARGEST_FILE + 1), ["1: the file is larger than 256 KiB"]),
    ],
)
def test_what_is_not_usable_has_a_line_and_a_reason(file: Path, text: str, told: list[str]) -> None:
    assert problems(file, text) == told


def test_what_is_written_in_another_way_has_the_line_of_its_table(file: Path) -> None:
    """Heads in texts and comments are none."""
    lines = ("", "# [[rules]]", "[[rules]]", 'name = "a"', 'measure = "count"', "more_than = 1")
    text = "\n".join((*lines, 'title = """\\', '[[rules]]"""', "[[rules]]", '"name" = 1', ""))
    assert {line.partition(":")[0] for line in problems(file, text)} == {"9"}
    assert problems(file, 'rules = [\n  {name = "a", measure = "count", title = "x"},\n]') == [
        "1: count needs more_than"
    ]


def test_what_cannot_be_read(file: Path) -> None:
    assert read(file).refusal == "line 1: there is no such file"
    file.mkdir()
    assert read(file).refusal == "line 1: there is no such file"
    file.rmdir()
    file.write_bytes(b"# \xff\n")
    assert read(file).refusal == "line 1: the file is no UTF-8 text"


def test_line_ends_and_a_mark_of_the_byte_order_are_no_matter(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + RULE.replace("\n", "\r\n").encode())
    assert not read(file).refusal


def test_many_problems_are_told_in_short(file: Path) -> None:
    file.write_text("[[rules]]\n" * 5)
    assert read(file).refusal.endswith("; and 12 more, which tgt rules check tells")


def test_what_is_put_in_is_not_looked_at_again() -> None:
    words = {"subject": "{value}", "value": "5"}
    assert filled("{subject} {value} {usual}", words) == "{value} 5 {usual}"


# --- as settings ----------------------------------------------------------------------------------

_ERRORS = "error_spike_multiplier"
LIMITS = """[[limits]]
subject = "tool_call/grep*"
error_spike_multiplier = 5
performance_threshold = 2.5

[[limits]]
subject = "tool_call/grep"
error_spike_multiplier = 9
"""


def test_limits_are_values_of_options_for_subjects(file: Path) -> None:
    from tgt.analyzers.error_spike import MULTIPLIER
    from tgt.analyzers.performance import THRESHOLD

    file.write_text(LIMITS)
    settings = config.load({"TASKGEN_RULES": str(file)}, environ={})
    told = [
        settings.option(MULTIPLIER, subject)
        for subject in ("tool_call/grep", "tool_call/grep2@shop", "tool_call/grep@shop", "x", "")
    ]
    assert told == [9.0, 5.0, 9.0, 3.0, 3.0]
    assert settings.option(THRESHOLD, "tool_call/grep") == 2.5


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("long_wait_s = 5", "'long_wait_s' is not accepted; continuation_threshold, error_spike_m"),
        (f"{_ERRORS} = 0.5", f"{_ERRORS}='0.5' is not usable: accepted is a number above 1 up to"),
        (f"{_ERRORS} = '5'", f"{_ERRORS}='5' is not usable: accepted is a number"),
        (f"{_ERRORS} = true", f"{_ERRORS}='True' is not usable: accepted is a number"),
        ("docs_gap_min_usage = 2.5", "docs_gap_min_usage='2.5' is not usable: accepted is a whole"),
    ],
)
def test_a_limit_that_is_not_usable(file: Path, line: str, told: str) -> None:
    file.write_text(f'\n[[limits]]\nsubject = "x"\n{line}\n')
    with pytest.raises(SettingsError) as refused:
        config.load({"TASKGEN_RULES": str(file)}, environ={})
    head = (
        f"TASKGEN_RULES={str(file)!r} is not usable: accepted is a file in which all is understood"
    )
    assert refused.value.message.startswith(f"{head}, but line 2: limits of x: {told}")


def test_a_file_beside_the_settings_file_counts(file: Path) -> None:
    file.write_text(RULE)
    settings_file = file.parent / "tgt.env"
    settings_file.write_text("")
    loaded = config.load(environ={}, env_file=settings_file)
    assert [rule.name for rule in loaded.rules.rules] == ["slow-grep"]
    assert config.effective(loaded)["TASKGEN_RULES"] == str(file)
    off = config.load(environ={"TASKGEN_RULES": "none"}, env_file=settings_file)
    assert off.rules == Rules()
    file.unlink()
    assert config.load(environ={}, env_file=settings_file).rules == Rules()


def test_a_file_that_is_named_has_to_be_there(file: Path) -> None:
    with pytest.raises(SettingsError, match="accepted is the path of a file with rules, or none"):
        config.load({"TASKGEN_RULES": str(file)}, environ={})


@pytest.mark.parametrize(
    ("glob", "subject", "is_of"),
    [
        ("tool_call/*", "tool_call/grep", True),
        ("tool_call/grep", "tool_call/grep@shop", True),
        ("*@shop", "tool_call/grep@shop", True),
        ("*@shop", "tool_call/grep", False),
        ("TOOL_CALL/*", "tool_call/grep", False),
    ],
)
def test_the_subjects_of_a_limit(glob: str, subject: str, is_of: bool) -> None:
    assert Limit(glob, {}).is_of(subject) is is_of

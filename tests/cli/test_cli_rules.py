"""``tgt rules``: are they understood, and what would they have found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from conftest import NOW, Workplace, before, call

GOOD = """[[rules]]
name = "failing-reads"
measure = "share"
where = "act = 'tool_call' AND name = 'read_file'"
counted = "failed"
more_than = 0.2
title = "{subject} fails too often: {value}"

[[limits]]
subject = "tool_call/read*"
error_spike_multiplier = 5
"""
BAD = GOOD.replace('counted = "failed"', 'counted = "faild"')


def _write(workplace: Workplace, rules: str) -> None:
    (workplace.path / ".env").write_text("")
    (workplace.path / "rules.toml").write_text(rules)


def _lines() -> Iterator[dict[str, Any]]:
    for number in range(40):
        yield call(200 + number, f"c{number}", status="error" if number % 2 else "ok")
    yield {"ts": before(1), "act": "message", "actor": "user", "conv_id": "z"}


def _telemetry(workplace: Workplace) -> None:
    logs = workplace.path / ".forgekeeper" / "context_log"
    logs.mkdir(parents=True)
    (logs / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in _lines()))


def test_where_there_are_none(workplace: Workplace) -> None:
    done = workplace.tgt("rules")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("There are no rules")
    assert workplace.tgt("rules", "test").out == done.out
    assert workplace.tgt("rules", "--json").json == {
        "rules": {"file": None, "usable": True, "rules": [], "limits": [], "problems": []}
    }


def test_a_list_of_them(workplace: Workplace) -> None:
    _write(workplace, GOOD)
    done = workplace.tgt("rules")
    assert (done.status, done.err) == (0, "")
    assert "ok  failing-reads  line 1" in done.out
    assert "share of more than 0.2, in 3 conversations or more; medium" in " ".join(
        done.out.split()
    )
    assert "limits of tool_call/read*" in done.out
    assert "1 rule, understood" in done.out
    assert "act =" not in done.out
    assert "((act = 'tool_call') AND (name = 'read_file'))" in workplace.tgt("rules", "check").out


def test_a_rule_that_is_not_understood(workplace: Workplace) -> None:
    _write(workplace, BAD)
    for part in ((), ("check",)):
        done = workplace.tgt("rules", *part)
        assert (done.status, done.err) == (2, "")
        assert "no  failing-reads  line 1" in done.out
        assert "line 5: counted: there is no column faild; did you mean failed?" in done.out
    document = workplace.tgt("rules", "check", "--json").json["rules"]
    assert document["usable"] is False
    assert document["rules"][0] == {
        "name": "failing-reads",
        "line": 1,
        "understood": False,
        "problems": [
            {"line": 5, "reason": "counted: there is no column faild; did you mean failed?"}
        ],
    }


def test_a_broken_file_is_refused_before_any_work(workplace: Workplace) -> None:
    _write(workplace, BAD)
    _telemetry(workplace)
    for words in (("run",), ("run", "--json"), ("rules", "test"), ("backtest", "--since", "1h")):
        done = workplace.tgt(*words)
        assert done.status == 2, words
        assert "rules.toml' is not usable" in done.err
        assert "line 5: rule failing-reads: counted: there is no column faild" in done.err
    assert not workplace.tasks.exists()
    assert workplace.tgt("run", "--json", TASKGEN_RULES="none").status == 0


def test_a_rule_makes_a_card_and_its_test_says_when(workplace: Workplace) -> None:
    _write(workplace, GOOD)
    _telemetry(workplace)
    done = workplace.tgt("rules", "test", "--since", "6h", "--now", NOW)
    assert (done.status, done.err) == (0, "")
    assert "failing-reads  1 task" in done.out
    assert "custom tool_call/read_file: failing-reads" in " ".join(done.out.split())
    document = workplace.tgt("rules", "test", "--since", "6h", "--now", NOW, "--json").json
    assert list(document) == ["rules", "backtest", "message"]
    assert document["rules"]["rules"][0]["found"]["count"] == 1
    (step,) = document["backtest"]["steps"]
    assert step["at"] == document["rules"]["rules"][0]["found"]["firstAt"]
    assert step["type"] == "custom"
    assert not workplace.tasks.exists(), "a test writes nothing"


def test_a_test_of_rules_that_find_nothing(workplace: Workplace) -> None:
    _write(workplace, GOOD.replace("0.2", "0.9"))
    _telemetry(workplace)
    assert (
        "failing-reads  nothing"
        in workplace.tgt("rules", "test", "--since", "6h", "--now", NOW).out
    )


def test_what_it_does_not_take(workplace: Workplace) -> None:
    done = workplace.tgt("rules", "tests")
    assert (done.status, done.out) == (2, "")
    assert "WHAT='tests' is not usable: accepted is list, check or test" in done.err
    assert workplace.tgt("rules", "check", "--since", "2d").status == 2
    assert workplace.tgt("rules", TASKGEN_RULES="absent.toml").status == 2


def test_hostile_words_of_a_file_do_not_act_on_a_terminal(workplace: Workplace) -> None:
    _write(workplace, '[[rules]]\nname = "\\u001b[31mx"\n"\\u202e\\u001b]0;x\\u0007" = 1\n')
    done = workplace.tgt("rules")
    assert done.status == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out)

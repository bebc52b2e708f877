"""Rules make cards as analyzers do: by the same statistics, with abstention, one a problem."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import END, Line, World, call, calls_of, hours_of, response
from invented_secrets import filled

from tgt import backtest, cycle, evidence
from tgt.analyzers.rules.analyzer import RuleAnalyzer
from tgt.analyzers.rules.asked import problem_of
from tgt.analyzers.rules.question import signals_of
from tgt.outcome import Abstention, RunReport
from tgt.rules.reading import read
from tgt.rules.rule import Measure, Rule

DAY = 24 * 60


@pytest.fixture
def ask(world: World) -> Callable[..., RunReport]:
    """A run that asks one rule alone, given as lines of TOML."""

    def run(*lines: str, name: str = "mine", title: str = "{subject}: {value}") -> RunReport:
        path = rules_file(world.path, *lines, name=name, title=title)
        return world.run(rules=str(path), analyzers="rules")

    return run


def rules_file(place: Path, *lines: str, name: str = "mine", title: str = "x {subject}") -> Path:
    path = place / "rules.toml"
    head = ["[[rules]]", f'name = "{name}"', f'title = "{title}"']
    path.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    return path


def conversations(many: int, bad: int, *, each: int = 2, **keys: str) -> Iterator[Line]:
    """Conversations of the last hour; the calls of the bad ones fail."""
    for number in range(many):
        status = "error" if number < bad else "ok"
        for step in range(each):
            yield call(1 + number * 50 / many + step / 60, f"c{number}", status=status, **keys)


def reasons(abstained: Iterable[Abstention]) -> dict[str, str]:
    return {each.subject: each.reason for each in abstained}


SHARE = ('measure = "share"', "where = \"act = 'tool_call'\"", 'counted = "failed"')


def test_a_share_above_a_line(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*conversations(40, 16))
    report = ask(*SHARE, "more_than = 0.2", 'severity = "high"', 'fix = "Look at {subject}"')
    assert report.saved == 1
    card = world.card()
    assert (card.type, card.subject, card.severity) == (
        "custom",
        "tool_call/read_file: mine",
        "high",
    )
    assert card.title == "read_file: 40.0%"
    assert card.text("description") == (
        "32 of 80 events of read_file (40.0%) count, in 16 conversations in the last 60 minutes,"
        " says the rule mine: 20.0% is tolerated."
    )
    assert card.mapping("suggestedFix")["changes"] == ["Look at read_file"]
    assert card.mapping("evidence")["threshold"] == "20.0%"
    assert len(card.mapping("evidence")["samples"]) == 3
    assert card.mapping("metadata")["analyzer"] == "rules/mine"
    assert card.confidence > 0.95


@pytest.mark.parametrize("line", [0.4, 0.6])
def test_a_share_that_is_tolerated_is_no_card(
    world: World, ask: Callable[..., RunReport], line: float
) -> None:
    world.write(*conversations(40, 16))
    report = ask(*SHARE, f"more_than = {line}")
    assert (report.generated, report.abstained) == (0, ())


def test_what_is_too_little_is_said(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*conversations(4, 4), *conversations(30, 2, each=12, name="grep"))
    told = reasons(ask(*SHARE, "more_than = 0.05").abstained)
    assert told == {
        "tool_call/read_file: mine": "8 of 20 events",
        "tool_call/grep: mine": "24 that count in 2 of 3 conversations",
    }


def test_min_conversations_says_how_many_are_enough(
    world: World, ask: Callable[..., RunReport]
) -> None:
    world.write(*conversations(30, 2, each=12))
    assert ask(*SHARE, "more_than = 0.01", "min_conversations = 2").generated == 1


def test_a_share_against_what_is_usual(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*hours_of(calls_of(), per_hour=40))
    world.write(*conversations(40, 14, each=1))
    assert ask(*SHARE, "times_usual = 3", title="{value}, usually {usual}").saved == 1
    card = world.card()
    assert card.title == "35.0%, usually 4.0%"
    assert card.mapping("evidence")["threshold"] == "3 × usual"


def test_a_share_without_a_day_of_history_is_not_compared(
    world: World, ask: Callable[..., RunReport]
) -> None:
    world.write(*hours_of(calls_of(), hours=10), *conversations(40, 14, each=1))
    report = ask(*SHARE, "times_usual = 3")
    assert (report.generated, reasons(report.abstained)) == (
        0,
        {"tool_call/read_file: mine": "10 of 24 hours of baseline"},
    )


COUNT = ('measure = "count"', "where = \"name = 'rm'\"", "more_than = 4")


def test_a_count_is_a_fact(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*conversations(6, 0, each=1, name="rm"), *conversations(40, 40))
    assert ask(*COUNT, title="{subject} {value} times").saved == 1
    card = world.card()
    assert (card.subject, card.title, card.confidence) == ("tool_call/rm: mine", "rm 6 times", 0.85)


@pytest.mark.parametrize(("many", "each"), [(4, 1), (2, 9)])
def test_a_count_that_is_tolerated_or_of_few(
    world: World, ask: Callable[..., RunReport], many: int, each: int
) -> None:
    world.write(*conversations(many, 0, each=each, name="rm"))
    assert ask(*COUNT).generated == 0


P95 = ('measure = "p95"', "where = \"act = 'tool_call'\"")


def _slow(ms: float, many: int = 60) -> Iterator[Line]:
    for number in range(many):
        yield call(1 + number * 50 / many, f"s{number}", elapsed_ms=ms * (1 + number % 7 / 10))


def test_a_p95_above_a_line(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_slow(6000))
    assert ask(*P95, "more_than = 5000").saved == 1
    card = world.card()
    assert card.mapping("evidence")["current"].endswith(" s")
    assert card.mapping("evidence")["threshold"] == "5.0 s"


def test_a_p95_that_is_tolerated(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_slow(1000))
    assert ask(*P95, "more_than = 5000").generated == 0


@pytest.mark.parametrize(("times", "many"), [(2, 1), (8, 0)])
def test_a_p95_against_what_is_usual(
    world: World, ask: Callable[..., RunReport], times: float, many: int
) -> None:
    world.write(*hours_of(calls_of(elapsed_ms=1000)), *_slow(4000))
    assert ask(*P95, f"times_usual = {times}").saved == many


@pytest.mark.parametrize(("conversations", "many"), [(1, 0), (100, 1)])
def test_one_large_conversation_does_not_raise_a_p95(
    world: World, ask: Callable[..., RunReport], conversations: int, many: int
) -> None:
    slow = (call(90 + n / 5, f"large{n % conversations}", elapsed_ms=4000 + n) for n in range(100))
    usual = (call(number, f"c{number}", elapsed_ms=1000) for number in range(1, 60, 3))
    world.write(*hours_of(calls_of(elapsed_ms=1000), hours=48), *slow, *usual)
    assert ask(*P95, "times_usual = 2").saved == many


def test_a_p95_of_another_number(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*(response(n + 1, f"c{n}", output_tokens=3000) for n in range(40)))
    assert ask('measure = "p95"', 'value = "output_tokens"', "more_than = 1000").saved == 1
    assert world.card().mapping("evidence")["threshold"] == "1000 tokens"


RATE = ('measure = "rate"', "where = \"act = 'tool_call'\"", 'counted = "failed"')


def _week(rate: Callable[[float], float], *, days: float = 7, seed: int = 7) -> Iterator[Line]:
    """Failing conversations at so many an hour, by the hours before END, and one that succeeds."""
    chance = random.Random(seed)
    for hour in range(int(days * 24)):
        many = sum(chance.random() < rate(hour) / 200 for _ in range(200))
        for number in range(many):
            at = 60 * hour + chance.uniform(0, 60)
            yield call(at, f"h{hour}n{number}", status="error")
        yield call(60 * hour + 30, f"h{hour}", status="ok")


def test_a_rate_against_what_is_usual(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_week(lambda hour: 30 if hour < 1 else 5))
    assert ask(*RATE, "times_usual = 3").saved == 1
    evidence = world.card().mapping("evidence")
    assert evidence["current"].endswith("conversations an hour")
    assert evidence["threshold"].startswith("3 × usual (")
    assert 3 < evidence["details"]["baselineValue"] < 7


def test_a_rate_with_its_time_of_the_day_is_no_rise(
    world: World, ask: Callable[..., RunReport]
) -> None:
    """Ten times as much as by night, as every day at this time."""
    world.write(*_week(lambda hour: 30 if hour % 24 < 3 or hour % 24 > 21 else 3))
    assert ask(*RATE, "times_usual = 3").generated == 0


def test_a_rate_above_a_line(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_week(lambda _: 30, days=1))
    assert ask(*RATE, "more_than = 10", name="a").saved == 1
    assert ask(*RATE, "more_than = 60", name="b").generated == 0


def test_a_rate_is_over_when_its_hours_are_tolerable_again(world: World) -> None:
    """Hours without telemetry tell nothing."""
    world.write(*_week(lambda hour: 30 if hour < 2 else 5))
    path = rules_file(world.path, *RATE, "times_usual = 3")
    world.run(rules=str(path), analyzers="rules")
    (criterion,) = world.card().data["criteria"]
    assert (criterion["metric"], criterion["op"], criterion["unit"]) == (
        *("conversations_an_hour", "<="),
        "hours",
    )
    assert 9 < criterion["value"] < 21
    chance = random.Random(9)
    for day, rate in ((1, 30), (3, 5), (4, 5)):  # the second day has no telemetry
        for hour in range(24 * day - 24, 24 * day):
            at = [-60 * hour - chance.uniform(0, 60) for _ in range(rate)]
            world.write(*(call(each, f"l{each}", status="error") for each in at))
    completed = {}
    for hours in (12, 24, 36, 48, 60, 72, 84):
        report = world.run(END + timedelta(hours=hours), rules=str(path), analyzers="rules")
        completed[hours] = report.completed
    assert {hours for hours, many in completed.items() if many} == {84}
    assert world.card().text("completedBy") == "tgt"


def test_a_rate_needs_days_of_history(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_week(lambda hour: 30 if hour < 1 else 5, days=2))
    (reason,) = {each.reason for each in ask(*RATE, "times_usual = 3").abstained}
    assert reason == "2 of 3 days of baseline at this time"


ABSENCE = ('measure = "absence"', "where = \"name = 'heartbeat'\"")


def _heartbeats(until: float) -> Iterator[Line]:
    for number in range(8 * 24 * 20):
        minutes = 3 * number + 1.5
        if minutes > until:
            yield call(minutes, f"b{number}", "heartbeat")
        if number % 5 == 0:
            yield call(minutes, f"o{number}", "other")


def test_an_absence(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_heartbeats(65))
    assert ask(*ABSENCE, title="{subject} has stopped: {value}, {usual}").saved == 1
    card = world.card()
    assert card.subject == "tool_call/heartbeat: mine"
    assert card.title == "heartbeat has stopped: no event, about 20 conversations at this time"


def test_an_absence_is_over_when_there_is_something_again(world: World) -> None:
    """Of the hours in which there always is, two were silent; later ones are not."""
    world.write(*_heartbeats(125))
    path = rules_file(world.path, *ABSENCE)
    world.run(rules=str(path), analyzers="rules")
    (criterion,) = world.card().data["criteria"]
    assert (criterion["subject"], criterion["op"], criterion["value"], criterion["unit"]) == (
        *("tool_call/heartbeat", ">=", 1),
        "hours",
    )
    still = world.run(END + timedelta(hours=1), rules=str(path), analyzers="rules")
    assert (still.covered, world.sidecar.read(())[0].watches) == (1, {})
    world.write(*(call(-minute - 61.5, f"l{minute}", "heartbeat") for minute in range(40 * 60)))
    for hours in (10, 36):
        done = world.run(END + timedelta(hours=hours), rules=str(path), analyzers="rules")
    assert done.completed == 1
    assert world.card().text("completedBy") == "tgt"


def test_what_is_there_is_not_absent(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*_heartbeats(5))
    assert ask(*ABSENCE).generated == 0


def test_two_rules_about_one_subject_are_two_cards_that_stay(world: World) -> None:
    world.write(*conversations(40, 16))
    path = rules_file(world.path, *SHARE, "more_than = 0.2", name="one")
    path.write_text(path.read_text() + path.read_text().replace("one", "two"))
    assert world.run(rules=str(path), analyzers="rules").saved == 2
    again = world.run(END + timedelta(minutes=5), rules=str(path), analyzers="rules")
    assert (again.saved, again.covered) == (0, 2)
    assert {card.subject for card in world.cards.values()} == {
        "tool_call/read_file: one",
        "tool_call/read_file: two",
    }


def test_what_it_is_grouped_by(world: World, ask: Callable[..., RunReport]) -> None:
    world.write(*conversations(40, 16, service="shop"))
    assert ask(*SHARE, "more_than = 0.2", 'by = "service"').saved == 1
    assert world.card().subject == "shop: mine"


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        ("tool_call/grep", "tool_call/grep: mine"),
        ("tool_call/grep@shop", "tool_call/grep: mine@shop"),
        ("assistant_response", "assistant_response: mine"),
        ("tool_call/@scope/tool", "tool_call/@scope/tool: mine"),
    ],
)
def test_the_subject_of_a_card(subject: str, problem: str) -> None:
    rule = Rule("mine", Measure.COUNT, "x")
    assert problem_of(rule, signals_of(rule)[0], subject) == problem


def test_rules_take_part_in_rollups(world: World) -> None:
    path = rules_file(world.path, *SHARE, "more_than = 0.2")
    from tgt.analyzers.registry import chosen

    settings = world.settings(rules=str(path))
    assert chosen(settings).analyzers[-1].name == "rules/mine"
    (rule,) = read(path).rules.rules
    assert set(signals_of(rule)) <= set(chosen(settings).signals)
    assert chosen(world.settings(rules=str(path), analyzers="error_spike")).analyzers[-1].name == (
        "error_spike"
    )


def test_a_rule_that_fails_is_reported_and_backed_off_and_stops_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*conversations(40, 16))
    path = rules_file(world.path, *SHARE, "more_than = 0.2", name="bad")
    path.write_text(path.read_text() + path.read_text().replace("bad", "good"))
    judged = RuleAnalyzer.analyze

    def analyze(self: RuleAnalyzer, context: object) -> object:
        if self.name == "rules/bad":
            raise ArithmeticError("no sum")
        return judged(self, context)  # type: ignore[arg-type] # as it was given

    monkeypatch.setattr(RuleAnalyzer, "analyze", analyze)
    report = world.run(rules=str(path), analyzers="rules")
    assert report.warnings == ("analyzer rules/bad failed: ArithmeticError: no sum",)
    assert report.saved == 1
    state, _ = world.sidecar.read(iter(()))
    assert state.analyzers["rules/bad"].consecutive_failures == 1


def test_a_credential_in_what_a_rule_quotes_is_masked(
    world: World, ask: Callable[..., RunReport]
) -> None:
    secret = filled("sk-ant-api03-{alnum:93}AA")
    world.write(*conversations(40, 16, name=secret))
    assert ask(*SHARE, "more_than = 0.2", 'fix = "Ask {subject}"').saved == 1
    assert secret not in str(world.card().data)


@pytest.mark.parametrize(
    "lines",
    [
        (*SHARE, "times_usual = 3"),
        (*SHARE, "more_than = 0.1"),
        (*RATE, "times_usual = 3"),
        (*P95, "times_usual = 1.5"),
    ],
    ids=["share", "share above", "rate", "p95"],
)
def test_a_healthy_week_has_no_card(world: World, lines: tuple[str, ...]) -> None:
    """Looked at every two hours of two days, with the rhythm of a day, bursts and a heavy tail."""
    chance = random.Random(11)
    written: list[Line] = []
    for hour in range(9 * 24):
        busy = 40 if 8 <= (16 - hour) % 24 <= 20 else 12
        for number in range(chance.randint(busy // 2, busy)):
            at, bad = 60 * hour + chance.uniform(0, 58), chance.random() < 0.08
            for step in range(chance.choice((1, 1, 2, 3, 9))):
                status = "error" if bad and chance.random() < 0.5 else "ok"
                written.append(
                    call(
                        max(0.1, at - step / 20),
                        f"h{hour}n{number}",
                        status=status,
                        elapsed_ms=chance.lognormvariate(6, 1.3),
                    )
                )
    world.write(*written)
    path = rules_file(world.path, *lines)
    (told,) = backtest.replay(
        [world.settings(rules=str(path), analyzers="rules")],
        END - timedelta(days=2),
        END,
        timedelta(hours=2),
    )
    assert [(step.finding.subject, step.at) for step in told.steps] == []


# --- what else there is for cards -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "metric", "value"),
    [
        ((*SHARE, "more_than = 0.1"), "share_of_events", 0.1),
        ((*P95, "more_than = 5000"), "p95", 5000),
        ((*SHARE[1:], 'measure = "count"', "more_than = 4"), "events", 4),
    ],
)
def test_what_must_be_true_for_its_problem_to_be_over(
    world: World, ask: Callable[..., RunReport], lines: tuple[str, ...], metric: str, value: float
) -> None:
    world.write(*conversations(40, 16), *_slow(9000))
    ask(*lines)
    (criterion,) = world.card().data["criteria"]
    assert (criterion["metric"], criterion["value"]) == (metric, value)
    assert (criterion["subject"], criterion["op"]) == ("tool_call/read_file", "<=")
    assert criterion["before"]["bad"] > 0


def test_the_lines_behind_a_card(world: World) -> None:
    world.write(*conversations(40, 16))
    settings = world.settings(rules=str(rules_file(world.path, *SHARE, "more_than = 0.2")))
    cycle.run(settings, END)
    (card,) = (each for each in world.cards.values() if each.type == "custom")
    told = evidence.lines(settings, card, 20)
    assert len(told.lines) == 20
    assert {line.subject for line in told.lines} == {"tool_call/read_file"}


def test_the_names_of_what_is_asked(world: World) -> None:
    path = str(rules_file(world.path, *SHARE, "more_than = 0.2"))
    assert world.settings(rules=path).asked[-1] == "rules/mine"
    assert world.settings(rules=path, analyzers="rules").asked == ("rules/mine",)
    assert world.settings(rules=path, analyzers="error_spike").asked == ("error_spike",)


def test_a_limit_of_a_subject_decides_what_becomes_a_card(world: World) -> None:
    world.write(*hours_of(calls_of(), per_hour=40), *conversations(40, 10, each=1))
    path = world.path / "rules.toml"
    path.write_text('[[limits]]\nsubject = "tool_call/read*"\nerror_spike_multiplier = 9\n')
    assert world.run(analyzers="error_spike", dry_run=True).saved == 1
    assert world.run(analyzers="error_spike", dry_run=True, rules=str(path)).saved == 0
    path.write_text('[[limits]]\nsubject = "tool_call/other"\nerror_spike_multiplier = 9\n')
    assert world.run(analyzers="error_spike", dry_run=True, rules=str(path)).saved == 1

"""Which services are told apart, and which are one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import Line, Loaded, World, call, hours_of

from tgt.analyzers.base import Analysis
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.analyzers.signals import FAILURE, LATENCY
from tgt.engine.services import are_told_apart, is_agent
from tgt.errors import SettingsError

CLAUDE, CODEX = "claude-code:website", "codex:website"


@pytest.mark.parametrize(
    ("service", "agent"),
    [
        ("claude-code:website", True),
        ("codex:a:b", True),
        ("opencode", True),
        ("codex_exec", True),
        ("website", False),
        ("website:codex", False),
        ("claude-codes:x", False),
        ("", False),
        (None, False),
    ],
)
def test_coding_agents_are_known_by_their_services(service: str | None, agent: bool) -> None:
    assert is_agent(service) is agent


@pytest.mark.parametrize(
    ("services", "apart"),
    [
        ((), False),
        (("billing",), False),
        (("billing", "search"), True),
        (("", "search"), False),
        ((CLAUDE, CODEX), False),
        ((CLAUDE, "claude-code:other", CODEX), False),
        ((CLAUDE, "billing"), True),
    ],
)
def test_services_are_told_apart_if_there_are_several(
    services: tuple[str, ...], apart: bool
) -> None:
    assert are_told_apart(services) is apart


def _calls(service: str, conv: str, failing: int, n: int = 20) -> list[Line]:
    keys: dict[str, Any] = {"name": "Bash", "service": service, "elapsed_ms": 50}
    return [
        call(50 * (i + 0.5) / n, f"{conv}{i}", **keys, status="error" if i < failing else "ok")
        for i in range(n)
    ]


def test_subjects_of_agents_carry_no_service_and_others_do(
    world: World, load: Callable[..., Loaded]
) -> None:
    world.write(
        *_calls(CLAUDE, "a", 5), *_calls("claude-code:shop", "b", 2), *_calls("billing", "c", 1)
    )
    world.write(*_calls("search", "d", 0))
    read = load()
    readings = {r.subject: r.now for r in read.snapshot.counts(FAILURE, read.window)}
    assert {name: (now.k, now.n, now.bad_conversations) for name, now in readings.items()} == {
        "tool_call/Bash": (7, 40, 7),
        "tool_call/Bash@billing": (1, 20, 1),
        "tool_call/Bash@search": (0, 20, 0),
    }
    latencies = read.snapshot.distribution(LATENCY, read.window)
    assert [r.subject for r in latencies] == sorted(readings)
    beyond = read.snapshot.beyond(LATENCY, "tool_call/Bash", read.window, 10)
    assert beyond.n == 33
    examples = read.snapshot.examples(FAILURE, "tool_call/Bash", read.window, 3)
    assert dict(examples.services) == {CLAUDE: 5, "claude-code:shop": 2}
    assert len(examples.samples) == 3


Judge = Callable[..., Analysis]


def test_projects_of_agents_are_judged_together_and_the_one_that_has_it_is_told(
    world: World, judge: Judge
) -> None:
    """Ten projects, each with too few sessions to be judged alone."""

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        service = f"codex:p{int(minutes) % 10}"
        return [call(minutes, conv, "Bash", service=service, status="error" if bad else "ok")]

    world.write(*hours_of(make), *_calls("codex:p3", "now", 15), *_calls("codex:p4", "also", 2, 10))
    (finding,) = judge(ErrorSpikeAnalyzer()).findings
    assert finding.subject == "tool_call/Bash"
    assert finding.evidence.details["carrier"] == "codex:p3"
    assert finding.description.endswith(" Most of it, 15 of 17, is of codex:p3.")


def test_a_single_service_needs_no_telling(world: World, judge: Judge) -> None:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        return [call(minutes, conv, "Bash", service="s", status="error" if bad else "ok")]

    world.write(*hours_of(make), *_calls("s", "now", 15))
    (finding,) = judge(ErrorSpikeAnalyzer()).findings
    assert "carrier" not in finding.evidence.details
    assert "is of" not in finding.description


def _in_services() -> Callable[[float, str, bool], list[Line]]:
    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        service = f"s{int(minutes / 7) % 5}"
        return [call(minutes, conv, "Bash", service=service, status="error" if bad else "ok")]

    return make


@pytest.mark.parametrize(
    ("failing", "found", "why"),
    [
        (3, ["tool_call/Bash"], "too few in each, many in all"),
        (1, [], "hardly more than usual in all"),
        (8, [f"tool_call/Bash@s{n}" for n in range(5)], "enough in each: five cards, not six"),
    ],
)
def test_what_is_too_thin_in_each_service_is_judged_over_all(
    world: World, judge: Judge, failing: int, found: list[str], why: str
) -> None:
    world.write(*hours_of(_in_services(), per_hour=40, bad_of=40))
    for n in range(5):
        world.write(*_calls(f"s{n}", f"now{n}-", failing, 10))
    findings = [f for f in judge(ErrorSpikeAnalyzer()).findings if f.confidence >= 0.7]
    assert sorted(f.subject for f in findings) == found
    if found == ["tool_call/Bash"]:
        assert len(findings[0].evidence.samples) == 3
        assert (findings[0].evidence.details["k"], findings[0].evidence.details["n"]) == (15, 50)


def test_a_service_with_too_short_a_history_is_judged_with_the_others(
    world: World, judge: Judge
) -> None:
    """Six failures in each of two services, neither of which has 200 conversations before."""

    def make(minutes: float, conv: str, bad: bool) -> list[Line]:
        service = f"s{int(minutes / 7) % 2}"
        return [call(minutes, conv, "Bash", service=service, status="error" if bad else "ok")]

    world.write(*hours_of(make, per_hour=8, hours=40, bad_of=40))
    world.write(*_calls("s0", "a", 8, 10), *_calls("s1", "b", 6, 10))
    (finding,) = judge(ErrorSpikeAnalyzer()).findings
    assert finding.subject == "tool_call/Bash"
    assert finding.evidence.details["carrier"] == "s0"


@pytest.mark.parametrize(
    ("services", "subjects"),
    [
        ("", ["tool_call/Bash@shop-a", "tool_call/Bash@shop-b", "tool_call/Bash@till"]),
        ("shop=shop-*", ["tool_call/Bash@shop", "tool_call/Bash@till"]),
        ("shop=shop-*,shop=till", ["tool_call/Bash"]),
        ("till=shop-a", ["tool_call/Bash@shop-b", "tool_call/Bash@till"]),
    ],
)
def test_who_names_services_says_which_are_one(
    world: World, services: str, subjects: list[str]
) -> None:
    for service in ("shop-a", "shop-b", "till"):
        world.write(*_calls(service, service, 20))
    report = world.run(services=services, analyzers="error_spike", min_confidence=0)
    assert sorted(decision.finding.subject for decision in report.decisions) == subjects


def test_a_named_project_stays_one_of_its_agent(world: World) -> None:
    world.write(*_calls("codex:old-shop", "a", 20), *_calls("codex:till", "b", 20))
    report = world.run(services="shop=old-*", analyzers="error_spike", min_confidence=0)
    (decision,) = report.decisions
    assert decision.finding.subject == "tool_call/Bash"


@pytest.mark.parametrize("value", ["shop", "=x", "shop=", "a@b=c"])
def test_names_of_services_that_are_not_usable_are_refused(world: World, value: str) -> None:
    with pytest.raises(SettingsError, match="NAME=GLOB"):
        world.settings(services=value)

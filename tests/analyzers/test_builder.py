"""What all analyzers share: figures, charts, the choice among windows, what leaves them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.analyzers.base import Analysis, Context
from tgt.analyzers.baseline import Baseline
from tgt.analyzers.builder import Builder, Judged, look, with_samples
from tgt.analyzers.figures import Measure, Unit, milliseconds, number
from tgt.analyzers.judgements import Judgement, above, capped, severity_of, share_above
from tgt.analyzers.masking import presentable
from tgt.config import Settings
from tgt.engine.compared import Part, Parts
from tgt.engine.protocol import Counts, Coverage, Examples, Reading, Signal, Spread, TimeSpent
from tgt.events import HOUR_US, Interval, Sample, to_us
from tgt.outcome import Abstention
from tgt.stats.confidence import Clusters
from tgt.tasks.card import Finding, Fix, Severity, Touched, new_card

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
HOUR = Interval(END - timedelta(hours=1), END)
THIS_HOUR = to_us(HOUR.start) // HOUR_US


@dataclass(frozen=True)
class Still:
    """A snapshot in which the same examples belong to everything."""

    samples: tuple[Sample, ...] = ()

    @property
    def coverage(self) -> Coverage:
        return Coverage(HOUR, Interval(END - timedelta(days=7), HOUR.start))

    def counts(self, *_: Any, **__: Any) -> tuple[Reading, ...]:
        return ()

    def conversations_of(self, *_: Any) -> dict[str, int]:
        return {}

    def distribution(self, *_: Any, **__: Any) -> tuple[()]:
        return ()

    def distribution_history(self, *_: Any) -> dict[int, dict[int, int]]:
        return {}

    def beyond(self, *_: Any, **__: Any) -> Counts:
        return Counts()

    def spread(self, *_: Any) -> Spread:
        return Spread()

    def values_of(self, *_: Any) -> dict[int, int]:
        return {}

    def time_spent(self, *_: Any) -> TimeSpent:
        return TimeSpent()

    def examples(self, *_: Any, **__: Any) -> Examples:
        median = to_us(self.samples[0].at) if self.samples else None
        return Examples(self.samples, median, len(self.samples))

    def affected(self, *_: Any) -> tuple[()]:
        return ()

    def uses(self, *_: Any) -> tuple[()]:
        return ()

    def parts(self, *_: Any, **__: Any) -> Parts:
        return {}

    def course(self, *_: Any) -> dict[int, Part]:
        return {}

    def runs(self, *_: Any) -> tuple[()]:
        return ()

    def recurrences(self, *_: Any, **__: Any) -> tuple[()]:
        return ()


class Analyzer:
    name = "example"
    task_type = "a_type_of_its_own"
    summary = "always"
    options = ()
    needs = ()

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:
        return ()

    def analyze(self, context: Context) -> Analysis:
        return Analysis()


def builder(*samples: Sample, window: Interval = HOUR) -> Builder:
    return Builder(Analyzer(), Context(Settings(), Still(samples), window), "act/it", window)


SHARE = Measure("a_share", Unit.SHARE, 0.25, threshold=0.15)


def finding(judgement: Judgement | None = None, *samples: Sample, **details: Any) -> Finding:
    made = builder(*samples)
    return made.finding(
        judgement or Judgement(SHARE, 0.9),
        made.examples(Signal("any")),
        severity=Severity.HIGH,
        touched=Touched(40, 0.12),
        title="It fails",
        description="It fails often.",
        fix=Fix("look", ("Look",)),
        acceptance=("It works",),
        details=details,
    )


@pytest.mark.parametrize(
    ("measure", "texts", "values"),
    [
        (
            Measure("m", Unit.SHARE, 1 / 3, threshold=0.123456, usual=0.1, hours=30),
            ("33.3%", "10.0% over 30 h", "12.3%"),
            ("share", 0.3333, 0.1, 0.123456),
        ),
        (
            Measure("m", Unit.SHARE, 0.5, threshold=0.5, tolerated="half"),
            ("50.0%", None, "half"),
            ("share", 0.5, None, 0.5),
        ),
        (
            Measure("m", Unit.RATIO, 0.3, times=3.0, usual=0.07, hours=24),
            ("30.0%", "7.0% over 24 h", "3 × usual"),
            ("ratio", 4.286, 1.0, 3.0),
        ),
        (
            Measure("m", Unit.MS, 12345.6, times=1.5, usual=400.25, hours=24),
            ("12.3 s", "400 ms over 24 h", "1.5 × usual (600 ms)"),
            ("ms", 12350.0, 400.2, 600.4),
        ),
        (
            Measure("m", Unit.COUNT, 123456, threshold=20),
            ("123456 calls", None, "20 calls"),
            ("count", 123456, None, 20),
        ),
    ],
)
def test_a_measure_is_written_by_its_unit(
    measure: Measure, texts: tuple[str | None, ...], values: tuple[Any, ...]
) -> None:
    """Measured values are rounded; what a setting says and what was counted is not."""
    evidence = finding(Judgement(measure, 0.9)).evidence
    assert (evidence.current, evidence.baseline, evidence.threshold) == texts
    keys = ("unit", "value", "baselineValue", "thresholdValue")
    assert tuple(evidence.details[key] for key in keys) == values


@given(st.floats(-1e300, 1e300) | st.sampled_from((math.nan, math.inf, -math.inf)))
def test_every_number_of_a_card_is_finite_and_short(value: float) -> None:
    written = number(value)
    assert math.isfinite(written)
    assert float(f"{written:.4g}") == pytest.approx(written, rel=1e-9)


@pytest.mark.parametrize(
    ("ms", "text"), [(0.4, "0 ms"), (999.4, "999 ms"), (999.96, "1.0 s"), (61_000, "61.0 s")]
)
def test_milliseconds(ms: float, text: str) -> None:
    assert milliseconds(ms) == text


def test_details_are_json_and_their_numbers_short() -> None:
    details = finding(
        interval=(1 / 3, 2 / 3), n=123456, rule="so", none=None, kinds=["a"], nan=math.nan
    ).evidence.details
    assert details["interval"] == [0.3333, 0.6667]
    assert (details["n"], details["rule"], details["none"]) == (123456, "so", None)
    assert (details["kinds"], details["nan"]) == (["a"], 0.0)
    assert json.loads(json.dumps(details, allow_nan=False)) == details


def test_the_chart_is_of_the_last_day_and_ends_with_the_window() -> None:
    hours = {THIS_HOUR - 1: 0.02, THIS_HOUR - 23: 0.04, THIS_HOUR - 24: 0.9, THIS_HOUR: 0.9}
    measure = Measure("m", Unit.RATIO, 0.3, times=3.0, usual=0.02)
    details = finding(Judgement(measure, 0.9, hours=hours)).evidence.details
    assert len(details["history"]) == 24
    assert details["history"][0] == 2.0
    assert details["history"][1:-2] == [None] * 21
    assert details["history"][-2:] == [1.0, 15.0]
    assert details["historyEnd"] == "2025-11-03T16:00:00.000Z"
    assert "history" not in finding().evidence.details, "what has no hours has no chart"


@pytest.mark.parametrize(
    ("limit", "least", "enough"),
    [(7, 0, 7), (1, 4, 5), (20, 0, 20), (21, 0, None), (1, 20, None)],
)
def test_how_few_would_have_been_enough(limit: int, least: float, enough: int | None) -> None:
    """The fewest that are believed and beyond the line; nothing where not even all are."""
    judgement = Judgement(
        SHARE, 0.9, sure=lambda k: float(k >= limit), n=20, counted="of them", least=least
    )
    told = finding(judgement).evidence.details.get("enough")
    assert told == (enough and f"{enough} of 20 of them would have been enough")


def test_samples_say_when_what_and_where() -> None:
    texts: dict[str, Any] = {"id": "i" * 99, "conv_id": "c", "text": "no"}
    full = Sample(END, {"errorType": "E"}, **texts, file="/logs/x.jsonl", line=7)
    bare = Sample(END - timedelta(minutes=1), {})
    told = with_samples(finding(None, full, bare), (full, bare))
    first, second = told.evidence.samples
    assert first == {
        "timestamp": "2025-11-03T16:00:00.000Z",
        "eventId": "i" * 80,
        "convId": "c",
        "file": "/logs/x.jsonl",
        "line": 7,
        "text": "no",
        "errorType": "E",
    }
    assert second == {"timestamp": "2025-11-03T15:59:00.000Z"}
    assert told.related_events == ("i" * 80,)
    assert told.centre == END


def test_a_type_of_its_own_reaches_the_card() -> None:
    card = new_card(finding(), END)
    assert card.type == "a_type_of_its_own"
    assert card.data["metadata"]["analyzer"] == "example"


# --- several windows -----------------------------------------------------------------------------

WINDOWS = [Interval(END - timedelta(hours=hours), END) for hours in (1, 6, 24)]
STORM = Abstention("example", "it", "too few")
SURE, SURER, SUREST = (
    replace(finding(), subject="it", confidence=confidence) for confidence in (0.8, 0.805, 0.9)
)


@pytest.mark.parametrize(
    ("results", "settles", "confidence", "abstained", "why"),
    [
        ([SURE, None, None], False, 0.8, False, "a finding of one window"),
        ([SURE, SURER, None], False, 0.8, False, "hardly surer: the shorter window is told"),
        ([SURE, SURER, SUREST], False, 0.9, False, "surer by far: the longer one"),
        ([STORM, STORM, None], False, None, True, "the run's own window says what is missing"),
        ([None, STORM, STORM], False, None, False, "the longer ones do not"),
        ([STORM, SURE, STORM], False, 0.8, False, "what was found was judged"),
        ([STORM, None, STORM], False, None, True, "nothing to say is no judgement"),
        ([STORM, None, STORM], True, None, False, "unless the analyzer says that it is"),
    ],
)
def test_what_several_windows_come_to(
    results: list[Finding | Abstention | None],
    settles: bool,
    confidence: float | None,
    abstained: bool,
    why: str,
) -> None:
    def judge(window: Interval) -> Iterator[Judged]:
        yield "it", results[WINDOWS.index(window)]

    analysis = look(WINDOWS, judge, longer_settles=settles)
    assert [f.confidence for f in analysis.findings] == ([confidence] if confidence else [])
    assert analysis.abstained == ((STORM,) if abstained else ())


def test_a_finding_tells_of_every_window_in_which_it_was_one() -> None:
    def judge(window: Interval) -> Iterator[Judged]:
        yield "it", {WINDOWS[0]: SURE, WINDOWS[2]: SUREST}.get(window)

    (told,) = look(WINDOWS, judge).findings
    assert told.evidence.details["windows"] == [
        {"hours": 1.0, "confidence": 0.8},
        {"hours": 24.0, "confidence": 0.9},
    ]


# --- judging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "severity"), [(0.19, "medium"), (0.2, "high"), (0.2 * 3 / 2, "critical")]
)
def test_a_limit_is_part_of_its_step(value: float, severity: str) -> None:
    assert severity_of(value, high=0.2, critical=0.3) == severity
    assert severity_of(0.2, high=above(0.2)) is Severity.MEDIUM


def test_what_has_no_conversation_is_never_quite_certain() -> None:
    assert (capped(0.99, by_event=True), capped(0.99, by_event=False)) == (0.8, 0.99)
    assert capped(0.1, by_event=True) == 0.1


def test_a_share_of_alike_events_is_less_certain() -> None:
    clusters = Clusters(conversations=5, n=50, k=20, nn=500, nk=200, kk=200)
    now = Counts(50, 20, 5, 2, 2, 0, clusters)
    judged = [
        share_above(
            Reading("it", HOUR, now),
            Baseline({}, frozenset()),
            0.15,
            metric="m",
            counted="bad",
            prior=0.02,
            needed=20,
            clustered=clustered,
        )
        for clustered in (False, True)
    ]
    assert judged[0].confidence > judged[1].confidence
    assert judged[1].details["designEffect"] > 1  # type: ignore[operator] # a number
    assert judged[0].least == 0.15 * 50


# --- what leaves ---------------------------------------------------------------------------------


def test_nothing_that_looks_like_a_credential_leaves_an_analyzer() -> None:
    secret = "ghp_" + "a1B2" * 9
    sample = Sample(END, {"name": secret}, id=secret, text=f"{secret} " + "x" * 300)
    found = with_samples(finding(None, sample, kinds=[secret]), (sample,))
    told = replace(found, subject=secret, title=secret)
    abstention = Abstention("example", secret, f"11 calls of {secret}")
    context = builder().context
    analysis = presentable(Analysis((told,), (abstention,)), context)
    assert secret not in repr(replace(analysis.findings[0], examples=()))
    assert secret not in repr(analysis.abstained)
    assert len(analysis.findings[0].evidence.samples[0]["text"]) == 160

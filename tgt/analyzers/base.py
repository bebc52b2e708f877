"""What every analyzer is given and gives back, and the parts of judging that they share.

An analyzer asks signals and judges the readings. It never prints, filters by confidence or ranks;
what it does not judge for lack of data it says, with what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from tgt.config import Settings
from tgt.engine.protocol import Engine, Tally
from tgt.events import HOUR_US, Interval, Sample, to_us
from tgt.outcome import Abstention
from tgt.redact import everywhere, redact
from tgt.stats.confidence import Clusters, Usual
from tgt.tasks.card import Finding, fingerprint, format_time

CHART_HOURS = 24
MIN_HOURS_OBSERVED = 24
MAX_SAMPLES = 3
_SAMPLE_TEXT = 160

LOOSE_CONFIDENCE = 0.8
"""The most that can be said where events have no conversation: a burst may be one of them."""


@dataclass(frozen=True)
class Context:
    """One cycle as an analyzer sees it.

    ``incidents`` are, by fingerprint, the times of problems that have a card which nobody
    dismissed: they are no part of a baseline.
    """

    settings: Settings
    engine: Engine
    window: Interval
    incidents: Mapping[str, Sequence[Interval]] = field(default_factory=dict)

    def redacted(self, text: str) -> str:
        """The text without what looks like a credential."""
        return redact(text, self.settings.redact)

    def longer_windows(self, *hours: int) -> list[Interval]:
        """The run's window, then those that are longer, each from a full clock hour on."""
        windows = [self.window]
        for length in hours:
            if timedelta(hours=length) > self.window.end - self.window.start:
                start = (self.window.end - timedelta(hours=length)).replace(
                    minute=0, second=0, microsecond=0
                )
                windows.append(Interval(start, self.window.end))
        return windows


@dataclass(frozen=True)
class Analysis:
    findings: tuple[Finding, ...] = ()
    abstained: tuple[Abstention, ...] = ()


class Analyzer(Protocol):
    """A file in this package, an entry in the registry, a test file, a section in the README."""

    name: str

    def analyze(self, context: Context) -> Analysis: ...


_SURER = 0.01
"""How much surer a longer window must be to be told instead of a shorter one."""


class Looks:
    """The surest finding of each subject over several windows, given from the shortest on.

    Its details say how sure each of the windows was in which it was a finding.
    """

    def __init__(self) -> None:
        self._best: dict[str, Finding] = {}
        self._windows: dict[str, list[dict[str, float]]] = {}

    def __contains__(self, subject: object) -> bool:
        return subject in self._best

    def add(self, window: Interval, finding: Finding) -> None:
        best = self._best.get(finding.subject)
        if best is None or finding.confidence > best.confidence + _SURER:
            self._best[finding.subject] = finding
        look = {"hours": number(window.minutes / 60), "confidence": number(finding.confidence)}
        self._windows.setdefault(finding.subject, []).append(look)

    def findings(self) -> tuple[Finding, ...]:
        return tuple(
            replace(
                finding,
                evidence=replace(
                    finding.evidence,
                    details={**finding.evidence.details, "windows": self._windows[subject]},
                ),
            )
            for subject, finding in self._best.items()
        )


def look(
    windows: Sequence[Interval],
    judge: Callable[[Interval], Iterable[tuple[str, Finding | Abstention | None]]],
) -> Analysis:
    """What comes of judging every subject in every window, the run's own first.

    Of what was not judged only the run's own window tells, and nothing of a subject that was a
    finding in another.
    """
    looks = Looks()
    abstained: dict[str, Abstention] = {}
    for window in windows:
        for subject, result in judge(window):
            if isinstance(result, Finding):
                looks.add(window, result)
            elif isinstance(result, Abstention) and window == windows[0]:
                abstained[subject] = result
    unjudged = (a for subject, a in abstained.items() if subject not in looks)
    return Analysis(looks.findings(), tuple(unjudged))


@dataclass(frozen=True)
class Baseline:
    """The history that a subject is compared with, without its own incidents."""

    hours: Mapping[int, Tally]
    observed_hours: frozenset[int]

    @property
    def observed(self) -> int:
        """How many hours had telemetry, of whatever subject."""
        return len(self.observed_hours)

    @property
    def n(self) -> int:
        return sum(tally.n for tally in self.hours.values())

    @property
    def k(self) -> int:
        return sum(tally.k for tally in self.hours.values())

    @property
    def bad_units(self) -> int:
        return sum(tally.bad_units for tally in self.hours.values())

    @property
    def clusters(self) -> Clusters:
        parts = [tally.clusters for tally in self.hours.values()]
        return Clusters(
            *(
                sum(getattr(part, name) for part in parts)
                for name in ("conversations", "n", "k", "nn", "nk", "kk")
            )
        )


def observed_before(context: Context, window: Interval) -> frozenset[int]:
    """The clock hours before the window that had telemetry."""
    end = to_us(window.start) // HOUR_US
    return frozenset(hour for hour in context.engine.telemetry.hours_observed if hour < end)


def outside_incidents(
    context: Context, task_type: str, subject: str, window: Interval
) -> frozenset[int]:
    """The observed clock hours before the window that no incident of this problem touches.

    If fewer than a day would remain the incidents are the new normal, and count.
    """
    before = observed_before(context, window)
    incidents = context.incidents.get(fingerprint(task_type, context.redacted(subject)), ())
    if not incidents:
        return before
    quiet = frozenset(
        hour
        for hour in before
        if not any(to_us(i.start) // HOUR_US <= hour <= to_us(i.end) // HOUR_US for i in incidents)
    )
    return quiet if len(quiet) >= MIN_HOURS_OBSERVED else before


def baseline_of(
    context: Context, task_type: str, subject: str, window: Interval, history: Mapping[int, Tally]
) -> Baseline:
    hours = outside_incidents(context, task_type, subject, window)
    return Baseline({hour: history[hour] for hour in hours if hour in history}, hours)


def chart(values: Mapping[int, float | None], window: Interval, now_value: float) -> dict[str, Any]:
    """The last hours of a metric, oldest first; the last is the window itself."""
    end = to_us(window.start) // HOUR_US
    hours = [values.get(hour) for hour in range(end - CHART_HOURS + 1, end)]
    return {
        "history": [None if v is None else number(v) for v in (*hours, now_value)],
        "historyEnd": format_time(window.end),
    }


def number(value: float) -> float:
    """A number for a card: finite, and of four significant digits, which keep the card small."""
    if value == 0 or not math.isfinite(value):
        return 0.0
    return round(value, 3 - math.floor(math.log10(abs(value))))


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def milliseconds(ms: float) -> str:
    ms = number(ms)
    return f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms:.0f} ms"  # noqa: PLR2004


def duration(window: Interval) -> str:
    """A window's length as people say it: ``60 minutes``, ``6 hours``."""
    minutes = window.minutes
    if minutes > 120:  # noqa: PLR2004
        return f"{minutes / 60:.0f} hours"
    return f"{minutes:.0f} minutes"


def describe_samples(samples: Sequence[Sample]) -> tuple[dict[str, Any], ...]:
    """Samples as a card shows them: when, which event, which conversation, what it said."""
    return tuple(
        {
            "timestamp": format_time(sample.at),
            **({"eventId": sample.id[:80]} if sample.id else {}),
            **({"convId": sample.conv_id[:80]} if sample.conv_id else {}),
            **({"text": sample.text} if sample.text else {}),
            **sample.values,
        }
        for sample in samples
    )


def presentable(analysis: Analysis, context: Context) -> Analysis:
    """An analysis as it may leave an analyzer: without credentials, and samples cut short.

    First masked and then cut, since half a secret is not recognized and still gives half away.
    """
    return Analysis(
        tuple(_presentable(finding, context) for finding in analysis.findings),
        tuple(
            replace(a, subject=context.redacted(a.subject), reason=context.redacted(a.reason))
            for a in analysis.abstained
        ),
    )


def _presentable(finding: Finding, context: Context) -> Finding:
    def masked(value: Any) -> Any:
        return everywhere(value, context.redacted)

    evidence, fix = finding.evidence, finding.fix
    return replace(
        finding,
        subject=masked(finding.subject),
        title=masked(finding.title),
        description=masked(finding.description),
        evidence=replace(
            evidence,
            current=masked(evidence.current),
            baseline=masked(evidence.baseline),
            threshold=masked(evidence.threshold),
            samples=tuple(_cut(masked(sample)) for sample in evidence.samples),
            details=masked(evidence.details),
        ),
        fix=replace(fix, files=masked(fix.files), changes=masked(fix.changes)),
        acceptance=masked(finding.acceptance),
        related_events=masked(finding.related_events),
    )


def _cut(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    text = sample.get("text")
    if not isinstance(text, str) or len(text) <= _SAMPLE_TEXT:
        return sample
    return {**sample, "text": text[: _SAMPLE_TEXT - 1] + "…"}


def event_ids(samples: Sequence[Sample]) -> tuple[str, ...]:
    return tuple(sample.id[:80] for sample in samples if sample.id)


def usual_text(usual: Usual, observed: int) -> str:
    return f"{percent(usual.share)} over {observed} h"


def enough(
    n: int, sure: Callable[[int], float], minimum: float, what: str, least: float = 0
) -> dict[str, str]:
    """How few of ``n``, but more than ``least``, would have been believed: the detail of a card.

    ``sure`` is the confidence after so many; it rises with them.
    """
    low, high = math.floor(least) + 1, n
    if low > high or sure(high) < minimum:
        return {}
    while low < high:
        middle = (low + high) // 2
        if sure(middle) >= minimum:
            high = middle
        else:
            low = middle + 1
    return {"enough": f"{low} of {n} {what} would have been enough"}


def capped(confidence: float, *, by_event: bool) -> float:
    return min(confidence, LOOSE_CONFIDENCE) if by_event else confidence

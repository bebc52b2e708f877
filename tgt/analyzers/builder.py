"""The finding builder: what every analyzer repeats, so that one is its signals, rule and words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tgt import subjects
from tgt.analyzers.base import Analysis, Analyzer, Context
from tgt.analyzers.deferred import deferred, then
from tgt.analyzers.figures import Measure, Unit, duration, number
from tgt.analyzers.judgements import Detail, Judgement
from tgt.analyzers.touched import conversations_in, touched_conversations, touched_events
from tgt.engine.protocol import Counts, Examples, Signal
from tgt.events import HOUR_US, Interval, Sample, from_us, to_us
from tgt.outcome import Abstention
from tgt.redact import masked_cut
from tgt.tasks.card import Evidence, Finding, Fix, Severity, Touched, format_time
from tgt.tasks.criterion import Criterion

CHART_HOURS = 24
MAX_SAMPLES = 3
_SURER = 0.01
"""How much surer a longer window must be to be told instead of a shorter one."""
_LONGEST_ID, _MOST_BYTES_OF_ID = 80, 160
_LONGEST_PATH = 300
MANY = 2
"""So many services are several."""
_FIRST_ASKED, _LAST_ASKED = 40, 45
"""Of what was asked, where what came of it follows: a path's end tells more than its middle."""


@dataclass(frozen=True)
class Question:
    """What an engine was asked about a subject: ``signal`` in ``window``; of a distribution, which
    values lie ``beyond`` a line, of failures those that say ``error``. Where no signal tells what
    counts, ``met`` are the conversations that met it in the window, and when in microseconds."""

    signal: Signal
    subject: str
    window: Interval
    beyond: float | None = None
    error: str | None = None
    met: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Builder:
    """Makes the finding, or the abstention, of one analyzer about one subject in one window."""

    analyzer: Analyzer
    context: Context
    subject: str
    window: Interval

    def abstention(self, reason: str) -> Abstention:
        like = self.like
        return Abstention(self.analyzer.name, self.subject, f"{reason}; {like}" if like else reason)

    @property
    def like(self) -> str:
        """For what the subject stands, if that is more than its name."""
        subject = replace(subjects.parse(self.subject), service=None)
        names = self.context.snapshot.coverage.folded.get(str(subject), 0)
        return f"{names:,} names like {subject.name}" if names > 1 else ""

    def examples(self, signal: Signal, *, beyond: float | None = None) -> Examples:
        """Samples of what counts, their median time, and how many conversations there were."""
        snapshot = self.context.snapshot
        return snapshot.examples(signal, self.subject, self.window, MAX_SAMPLES, beyond=beyond)

    def touched_by(self, now: Counts, harm: float = 1.0) -> Touched:
        """What the conversations with what counts are among all of the window; events, where there
        are no conversations."""
        if not now.by_event:
            return self.touched(now.bad_conversations, harm)
        return touched_events(self.context, self.window, now.k, harm)

    def touched(
        self,
        conversations: float,
        harm: float = 1.0,
        *,
        every: float | None = None,
        per_day: float | None = None,
    ) -> Touched:
        """What so many conversations are among all of the window, if they are not among ``every``;
        ``per_day`` where they are not spread over it."""
        if every is None:
            every = conversations_in(self.context, self.window)
        return touched_conversations(self.window, conversations, every, harm, per_day)

    def touched_as_missing(self, conversations: float, harm: float = 1.0) -> Touched:
        """So many that the window should have beside those that it has."""
        others = conversations_in(self.context, self.window)
        return self.touched(conversations, harm, every=conversations + others)

    def deferred(
        self,
        make: Callable[[], Finding],
        judgement: Judgement,
        *,
        severity: Severity,
        touched: Touched,
    ) -> Finding:
        """The finding that ``make`` makes of a judgement when somebody wants to read it. The
        severity is as for ``finding``."""
        return deferred(
            make,
            analyzer=self.analyzer.name,
            type=self.analyzer.task_type,
            subject=self.subject,
            severity=touched.lessened(severity),
            confidence=judgement.confidence,
            touched=touched,
            measurement=self._measurement(judgement, touched),
        )

    def _measurement(self, judgement: Judgement, touched: Touched) -> dict[str, Any]:
        """What is kept of each look at a problem, and of its card's details."""
        measure, hours = judgement.measure, judgement.hours
        return {
            "value": _value(measure),
            **_touched(touched),
            **({} if hours is None else _chart(hours, self.window, measure)),
        }

    def finding(
        self,
        judgement: Judgement,
        examples: Examples,
        *,
        severity: Severity,
        touched: Touched,
        title: str,
        description: str,
        fix: Fix,
        acceptance: tuple[str, ...],
        details: Mapping[str, Detail] | None = None,
        shows_asked: bool = False,
        shows_both: bool = False,
        signal: Signal | None = None,
        beyond: float | None = None,
        question: Question | None = None,
        criterion: str = "",
    ) -> Finding:
        """The finding; ``details`` are the analyzer's own beside those of the judgement, and its
        samples say what was asked if it ``shows_asked``, and what came of it if it ``shows_both``.
        ``signal`` is the question that it answers (values ``beyond`` a line), if it is one, else
        ``question`` says whom it is about; ``criterion`` is the name of the measure in its
        criterion, if that is another one.
        The ``severity`` is the most that it can be: it is one step less where few are touched.
        """
        measure = judgement.measure
        samples, median = examples.samples, examples.median_us
        carrier = self._carrier(examples.services)
        return Finding(
            analyzer=self.analyzer.name,
            type=self.analyzer.task_type,
            subject=self.subject,
            severity=touched.lessened(severity),
            title=title,
            description=f"{description}{self._carried(carrier)}{self._told_like()}",
            evidence=Evidence(
                metric=measure.metric,
                current=measure.current_text,
                baseline=measure.baseline_text,
                threshold=measure.threshold_text,
                time_window=duration(self.window),
                samples=(),
                details={
                    **_values(measure),
                    **{name: _json(value) for name, value in judgement.details.items()},
                    **{name: _json(value) for name, value in (details or {}).items()},
                    **self._enough(judgement),
                    **({} if carrier is None else {"carrier": carrier[0]}),
                    **self._measurement(judgement, touched),
                },
            ),
            fix=fix,
            acceptance=acceptance,
            confidence=judgement.confidence,
            touched=touched,
            centre=None if median is None else from_us(median),
            related_events=(),
            examples=samples,
            shows_asked=shows_asked,
            shows_both=shows_both,
            question=Question(signal, self.subject, self.window, beyond) if signal else question,
            criteria=self._criteria(measure, criterion),
        )

    def _criteria(self, measure: Measure, name: str) -> tuple[Criterion, ...]:
        """What must be true for the problem to be over, if the analyzer can measure it."""
        if not hasattr(self.analyzer, "tally"):
            return ()
        value = number(measure.tolerated_value)
        return (Criterion(name or measure.metric, self.subject, measure.op, value),)

    def _carrier(self, services: Mapping[str, int]) -> tuple[str, int, int] | None:
        """The service of most of what counts, in how many of how many conversations, if the subject
        does not say it already and there are others."""
        total = sum(services.values())
        if len(self.context.snapshot.coverage.services) < MANY or not total:
            return None
        service, many = max(services.items(), key=lambda each: each[1])
        is_named = subjects.parse(self.subject).service == service
        return None if is_named or many * 2 <= total else (service, many, total)

    @staticmethod
    def _carried(carrier: tuple[str, int, int] | None) -> str:
        if carrier is None:
            return ""
        service, many, total = carrier
        share = "All of it is" if many == total else f"Most of it, {many} of {total}, is"
        return f" {share} of {service}."

    def _told_like(self) -> str:
        return f" It stands for {self.like}." if self.like else ""

    def _enough(self, judgement: Judgement) -> dict[str, str]:
        """How few would have been believed; nothing if not even all."""
        n, sure, minimum = judgement.n, judgement.sure, judgement.minimum
        if minimum is None:
            minimum = self.context.settings.min_confidence
        low, high = math.floor(judgement.least) + 1, n
        if sure is None or low > high or sure(high) < minimum:
            return {}
        while low < high:
            middle = (low + high) // 2
            if sure(middle) >= minimum:
                high = middle
            else:
                low = middle + 1
        return {"enough": f"{low} of {n} {judgement.counted} would have been enough"}


def with_samples(
    finding: Finding, samples: tuple[Sample, ...], mask: Callable[[str], str] = str
) -> Finding:
    """The finding with its samples as they were completed; ids are masked before they are cut."""
    shown = tuple(_sample(sample, _sample_text(sample, finding, mask), mask) for sample in samples)
    return replace(
        finding,
        evidence=replace(finding.evidence, samples=shown),
        related_events=_ids(samples, mask),
        examples=samples,
    )


def _ids(samples: Sequence[Sample], mask: Callable[[str], str]) -> tuple[str, ...]:
    return tuple(_id(sample.id, mask) for sample in samples if sample.id)


def _id(text: str, mask: Callable[[str], str]) -> str:
    """An id, masked before it is cut; real ones are plain letters, so what is not takes no room."""
    cut = masked_cut(text, _LONGEST_ID, mask).encode("utf-8", "replace")
    return cut[:_MOST_BYTES_OF_ID].decode("utf-8", "ignore")


Judged: TypeAlias = tuple[str, Finding | Abstention | None]
"""What comes of judging a subject; None where there is nothing to say."""
Judge: TypeAlias = Callable[[Interval], Iterable[Judged]]
"""Judges every subject in a window."""


def look(
    windows: Sequence[Interval],
    judge: Judge,
    *,
    longer_settles: bool = False,
    end: Interval | None = None,
    minimum: float = 1.0,
) -> Analysis:
    """What comes of judging every subject in every window, the run's own first: of each subject
    the surest finding, given from the shortest window on. What is in none of them as sure as the
    ``minimum`` may be in an ``end`` of the run's own.

    Of what was not judged only the run's own window tells, and nothing of a subject that was a
    finding in another or, where ``longer_settles``, could be judged in a longer one. Details say
    how sure each of the windows was in which there was a finding.
    """
    best: dict[str, Finding] = {}
    looks: dict[str, list[dict[str, float]]] = {}
    abstained: dict[str, Abstention] = {}
    for window in (*windows, *([end] if end else ())):
        for subject, result in judge(window):
            if isinstance(result, Abstention):
                if window == windows[0]:
                    abstained[subject] = result
                continue
            if result or (longer_settles and window != end):
                abstained.pop(subject, None)
            if result is None:
                continue
            if window == end and subject in best and best[subject].confidence >= minimum:
                continue
            reached = {
                "hours": number(window.minutes / 60),
                "confidence": number(result.confidence),
            }
            looks.setdefault(subject, []).append(reached)
            if subject not in best or result.confidence > best[subject].confidence + _SURER:
                best[subject] = result
    findings = tuple(with_details(finding, windows=looks[name]) for name, finding in best.items())
    return Analysis(findings, tuple(abstained.values()))


def with_details(finding: Finding, **details: Any) -> Finding:
    """The finding with further numbers, words or lists for its card."""

    def detailed(finding: Finding) -> Finding:
        evidence = finding.evidence
        return replace(finding, evidence=replace(evidence, details={**evidence.details, **details}))

    return then(finding, detailed)


def _value(measure: Measure) -> float:
    """The measure as the card has it; what was counted is not rounded."""
    is_count = measure.unit is Unit.COUNT
    return measure.value if is_count else number(measure.value / measure.scale)


def _values(measure: Measure) -> dict[str, Any]:
    """What the measure is compared with, as the card has it; what a setting says is not rounded."""
    is_ratio = measure.unit is Unit.RATIO
    limit = number(measure.limit) if measure.times else measure.threshold
    return {
        "unit": str(measure.unit),
        "baselineValue": None if measure.usual is None else number(measure.usual / measure.scale),
        "thresholdValue": measure.times if is_ratio else limit,
    }


def _touched(touched: Touched) -> dict[str, Any]:
    share = touched.share
    return {
        "touchedPerDay": number(touched.per_day),
        "harm": number(touched.harm),
        **({} if share is None else {"touchedShare": number(share)}),
        **({"touchedUnit": "events"} if touched.by_event else {}),
    }


def _chart(hours: Mapping[int, float], window: Interval, measure: Measure) -> dict[str, Any]:
    """The last hours of a measure, oldest first; the last is the window itself."""
    end = to_us(window.start) // HOUR_US
    before = (hours.get(hour) for hour in range(end - CHART_HOURS + 1, end))
    # Ratios are of the usual share as the card has it, so that the card can be checked by itself.
    scale = number(measure.scale)
    history = [None if value is None else number(value / scale) for value in before]
    return {
        "history": [*history, number(measure.value / measure.scale)],
        "historyEnd": format_time(window.end),
    }


def _json(value: Detail) -> Any:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_json(each) for each in value]
    return value


def _sample_text(sample: Sample, finding: Finding, mask: Callable[[str], str]) -> str | None:
    """What an event said or was asked, or both."""
    if finding.shows_both and sample.args and sample.text not in {None, sample.args}:
        return f"{_both_ends(mask(sample.args))} → {sample.text}"
    return (sample.args if finding.shows_asked else None) or sample.text


def _both_ends(text: str) -> str:
    if len(text) <= _FIRST_ASKED + _LAST_ASKED:
        return text
    return f"{text[:_FIRST_ASKED]}…{text[-_LAST_ASKED:]}"


def _sample(sample: Sample, text: str | None, mask: Callable[[str], str]) -> dict[str, Any]:
    """When, which event, which conversation, where it stands, what it said or was asked."""
    return {
        "timestamp": format_time(sample.at),
        **({"eventId": _id(sample.id, mask)} if sample.id else {}),
        **({"convId": _id(sample.conv_id, mask)} if sample.conv_id else {}),
        **({"file": masked_cut(sample.file, _LONGEST_PATH, mask)} if sample.file else {}),
        **({"line": sample.line} if sample.line else {}),
        **({"text": text} if text else {}),
        **{
            key: masked_cut(value, _LONGEST_ID, mask) if isinstance(value, str) else value
            for key, value in sample.values.items()
        },
    }

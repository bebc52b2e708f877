"""Error spikes: a subject fails in many more conversations than it usually does.

Conversations are counted, not errors: one bad conversation writes forty. A failure outside any
tool (an API, an error event) has all conversations as its exposure. A tool that fails in nearly
every conversation anyway is judged by the share of its calls as well, and the surer of both tells.

What can be judged in none of several services is judged over all of them.

A call that succeeded and says itself that it did not (an exit status, ``isError``) is no error of
the tool: such calls are a share of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tgt import options, subjects
from tgt.analyzers.base import HALF, Analysis, Context, Need, end_of
from tgt.analyzers.baseline import RISING_DAYS, Baseline, baseline_of, before_it_rose
from tgt.analyzers.builder import Builder, Judged, look, with_details
from tgt.analyzers.criteria import reading_of, share_of_events, share_of_units
from tgt.analyzers.exposure import (
    CALLS,
    CONVERSATIONS,
    SHARE_OF_CALLS,
    Exposure,
    Rise,
    calls_of,
    exposure_of,
    met_by,
    mostly_failing,
    risen,
)
from tgt.analyzers.figures import duration, percent
from tgt.analyzers.judgements import Judgement, restated, severity_of, steps, surest
from tgt.analyzers.pooling import base, by_base, together
from tgt.analyzers.signals import FAILURE, SOFT_FAILURE, TRAFFIC
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.redact import masked_cut
from tgt.stats import confidence
from tgt.stats.calibration import RISEN
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

MIN_ERRORS = 5
MIN_CONVERSATIONS = 3
MIN_BASELINE_FAILING = 20
MIN_BASELINE_UNITS = 200
MIN_NEW_CALLS = 20
MOSTLY_FAILS, SURELY_FAILS = 0.95, 0.99
"""How sure it must be that most of so many calls fail, to be said without any history; and of fewer
calls, of what is new where there is a history: five of five conversations are enough."""
CRITICAL_TAIL = 1e-4
_LONGEST_ERROR = 160
_MANY_TIMES = 100
"""What hardly ever failed: of how many times as often nobody needs to know."""
WINDOWS_H = (2, 4, 8, 24)
"""Longer windows beside the run's own: low traffic and small rises need them."""
A_HOUR = 0.003
"""Probability, before looking, that within an hour a subject begins to fail more than usual.
Calibrated with six windows and half of one, looked at every 15 minutes, to one false card in about
thirty subject weeks, before fewer than five errors are none."""
RISING_H = 8
"""A window of at least so long is also compared with the time before a slow rise."""

MULTIPLIER = options.real(
    "TASKGEN_ERROR_SPIKE_MULTIPLIER",
    3.0,
    "failing share of conversations against the subject's own baseline",
    low=1,
    high=1000,
    above=True,
    by_subject=True,
)


class ErrorSpikeAnalyzer:
    name = "error_spike"
    task_type = TaskType.ERROR_SPIKE
    summary = "the failing share is more than TASKGEN_ERROR_SPIKE_MULTIPLIER times the usual one"
    options = (MULTIPLIER,)
    needs = (Need("failed IS NOT NULL", "no record tells whether it failed"),)

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (FAILURE, TRAFFIC, SOFT_FAILURE)

    def analyze(self, context: Context) -> Analysis:
        windows = context.longer_windows(*WINDOWS_H)
        of_rising = next(each for each in windows if each.minutes >= 60 * RISING_H)

        def judge(window: Interval) -> Iterator[Judged]:
            by_subject: dict[str, list[tuple[_Kind, Reading]]] = {}
            settled: set[str | None] = set()
            for kind in (_HARD, _SOFT):
                for each in context.snapshot.counts(kind.signal, window, history=_has_errors):
                    by_subject.setdefault(each.subject, []).append((kind, each))
            for subject, readings in sorted(by_subject.items()):
                failures = {
                    kind.key: reading.now.k
                    for kind, reading in readings
                    if reading.now.k or kind is _HARD
                }
                judged = [
                    self._judge(context, kind, reading, failures, is_rising=is_rising)
                    for kind, reading in readings
                    if _has_errors(reading.now)
                    for is_rising in ((False, True) if window == of_rising else (False,))
                ]
                if judged:
                    result = _surest(judged)
                    if not isinstance(result, Abstention):
                        settled.add(base(subject))
                    yield subject, result
            for reading in _thin(context, window, settled):
                judgement = self._judge(context, _HARD, reading, {_HARD.key: reading.now.k})
                if isinstance(judgement, Finding):
                    yield reading.subject, judgement

        analysis = look(windows, judge)
        told = {base(finding.subject) for finding in analysis.findings}
        findings = tuple(each for each in analysis.findings if each.subject not in told)
        return replace(analysis, findings=findings)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally:
        kind = _SOFT if criterion.metric.startswith(_SOFT.prefix) else _HARD
        reading = reading_of(context.snapshot.counts(kind.signal, since), criterion.subject)
        line = criterion.value
        if criterion.metric.removeprefix(kind.prefix) == SHARE_OF_CALLS:
            return share_of_events(reading, line, CALLS)
        return share_of_units(reading and met_by(context, reading), line)

    def _judge(
        self,
        context: Context,
        kind: _Kind,
        reading: Reading,
        failures: Mapping[str, int],
        *,
        is_rising: bool = False,
    ) -> Finding | Abstention | None:
        """``failures`` are those of every kind. What ``is_rising`` is compared with the time before
        it rose."""
        builder = Builder(self, context, reading.subject, reading.window)
        now = reading.now
        if now.bad_conversations < MIN_CONVERSATIONS and not now.by_event:
            reason = f"{now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
            return builder.abstention(f"{now.k} {kind.counted} in {reason}")
        history = baseline_of(context, self.task_type, reading)
        exposure = exposure_of(context, reading, history)
        if is_rising:
            before = before_it_rose(exposure.hours, reading.window, exposure.share)
            if before is None:
                return None
            history = history.only(before)
            exposure = exposure_of(context, reading, history)
        few = history.bad_units < MIN_BASELINE_FAILING and exposure.size < MIN_BASELINE_UNITS
        missing = history.missing
        if few and not missing:
            missing = f"{exposure.size:.0f} of {MIN_BASELINE_UNITS} {exposure.unit} in the baseline"
        if missing:
            is_new = not (history.missing or exposure.size or exposure.by_event)
            verdict = _without_history(now, exposure, is_new=is_new)
        else:
            multiplier = context.option(MULTIPLIER, reading.subject)
            calls = calls_of(reading, history, exposure, multiplier)
            compared = (
                _compared(each, history, multiplier, reading.window, is_rising=is_rising)
                for each in (exposure, calls)
                if each
            )
            verdict = max(
                filter(None, compared), key=lambda each: each.judgement.confidence, default=None
            )
            if verdict and reading.window == context.window:
                verdict = _or_of_half(context, kind, reading, history, multiplier, verdict)
        if verdict is None:
            return builder.abstention(missing) if missing and not is_rising else None
        touched = builder.touched_by(now, kind.harm if _is_of_tool(reading.subject) else Harm.LOST)
        charted = replace(verdict.judgement, hours=_charted(history, verdict.exposure))
        verdict = replace(verdict, judgement=charted)
        finding = builder.deferred(
            lambda: _finding(builder, kind, reading, history.observed, verdict, touched),
            verdict.judgement,
            severity=verdict.severity,
            touched=touched,
        )
        return with_details(finding, **failures)


@dataclass(frozen=True)
class _Kind:
    """One kind of failure, and how it is said."""

    signal: Signal
    key: str
    counted: str
    title: str
    verb: str
    harm: float
    """How much a conversation suffers in which a tool fails so."""
    prefix: str = ""
    """Of the name of its measure, where that is another kind's."""


_HARD = _Kind(FAILURE, "errors", "errors", "Errors of {}", "fails", Harm.FAILED)
_SOFT = _Kind(
    *(SOFT_FAILURE, "softFailures", "reported failures", "{} reports failure", "reports failure"),
    Harm.REPORTED,
    "soft_",
)


def _is_of_tool(subject: str) -> bool:
    """Whether there may be another way; without an answer of the model there is none."""
    return subjects.parse(subject).act == subjects.TOOL_CALL


def _thin(context: Context, window: Interval, settled: Collection[str | None]) -> Iterator[Reading]:
    """Subjects that could be judged in none of several services, over all of them."""
    now = context.snapshot.counts(FAILURE, window)
    thin = {
        name: some
        for name, some in by_base(now).items()
        if name not in settled and _has_errors(together(name, some).now)
    }
    if not thin:
        return
    wanted = {reading.now for some in thin.values() for reading in some}
    told = context.snapshot.counts(FAILURE, window, history=wanted.__contains__)
    for name, some in by_base(told).items():
        if name in thin:
            yield together(name, some)


def _surest(judged: Sequence[Finding | Abstention | None]) -> Finding | Abstention | None:
    findings = [each for each in judged if isinstance(each, Finding)]
    if findings:
        return max(findings, key=lambda each: each.confidence)
    return next((each for each in judged if each is not None), None)


@dataclass(frozen=True)
class _Verdict:
    """What was judged, of whom, how bad it is, and how often it is said to fail."""

    judgement: Judgement
    exposure: Exposure
    severity: Severity
    steps: str
    how_often: str


def _without_history(now: Counts, exposure: Exposure, *, is_new: bool) -> _Verdict | None:
    """With too little history only what mostly fails is certain enough. What ``is_new``, in none of
    the hours of a history, is so for a day at most: there are few looks in which chance could make
    it seem so, and fewer calls are enough."""
    are_few = now.n < MIN_NEW_CALLS
    if now.k * 2 <= now.n or (are_few and not is_new):
        return None
    judgement = mostly_failing(exposure, SURELY_FAILS if are_few else MOSTLY_FAILS)
    if judgement is None:
        return None
    severity = severity_of(exposure.share, high=0, critical=0.9)
    how_often = "most of the time, and there is no history to compare with"
    return _Verdict(judgement, exposure, severity, "critical from 90%, else high", how_often)


def _compared(
    exposure: Exposure, history: Baseline, multiplier: float, window: Interval, *, is_rising: bool
) -> _Verdict | None:
    prior = confidence.prior_of(window.minutes / 60, A_HOUR)
    rise = _risen(exposure, history, multiplier, prior, window)
    if rise is None:
        return None
    high, critical = multiplier * 3 / 2, multiplier * 5 / 3
    severity = severity_of(rise.times, high=high, critical=critical)
    told = steps(lambda times: f"{times:.3g} times the usual", high=high, critical=critical)
    if severity is Severity.CRITICAL and rise.tail >= CRITICAL_TAIL:
        severity = Severity.HIGH
        told += f"; not critical where chance gives it once in {1 / CRITICAL_TAIL:,.0f} or more"
    how_often = f"{_times(rise.times)} as often as usual"
    if is_rising:
        rise = replace(rise, details={**rise.details, "risingDays": RISING_DAYS})
        how_often = (
            f"{_times(rise.times)} as often as before it began to rise {RISING_DAYS} days ago"
        )
    return _Verdict(rise, exposure, severity, told, how_often)


def _risen(
    exposure: Exposure, history: Baseline, multiplier: float, prior: float, window: Interval
) -> Rise | None:
    """As sure as it is right where as much goes wrong as the confidence is calibrated for."""
    rise = risen(exposure, history, multiplier, prior, window)
    return rise and restated(rise, RISEN)


def _or_of_half(
    context: Context,
    kind: _Kind,
    reading: Reading,
    history: Baseline,
    multiplier: float,
    verdict: _Verdict,
) -> _Verdict:
    """The verdict, as sure as the later half of the window is if that is surer: the whole is
    thinned out by the time before it began."""
    window = reading.window
    half = end_of(window, HALF)
    later = reading_of(context.snapshot.counts(kind.signal, half), reading.subject)
    if later is None or not later.now.n:
        return verdict
    exposure = exposure_of(context, replace(later, history=reading.history), history)
    prior = confidence.prior_of(window.minutes / 60, A_HOUR) * confidence.END_WEIGHT
    rise = _risen(exposure, history, multiplier, prior, half)
    if rise is None:
        return verdict
    minimum = context.settings.min_confidence
    return replace(verdict, judgement=surest(verdict.judgement, rise, half, minimum))


def _times(times: float) -> str:
    if times >= _MANY_TIMES:
        return f"more than {_MANY_TIMES} times"
    return f"{times:.1f} times"


def _has_errors(now: Counts) -> bool:
    return now.k >= MIN_ERRORS


def _finding(
    builder: Builder,
    kind: _Kind,
    reading: Reading,
    baseline_hours: int,
    verdict: _Verdict,
    touched: Touched,
) -> Finding:
    now, exposure = reading.now, verdict.exposure
    is_upstream = subjects.parse(reading.subject).act == subjects.UPSTREAM
    # Alone the name of a class of failures, or of an endpoint, says little.
    name = f"{'upstream ' if is_upstream else ''}{subjects.label(reading.subject)}"
    examples = builder.examples(kind.signal)
    types = {each.values["errorType"] for each in examples.samples if "errorType" in each.values}
    kinds = sorted(map(str, types))
    finding = builder.finding(
        verdict.judgement,
        examples,
        severity=verdict.severity,
        touched=touched,
        title=kind.title.format(name),
        description=(
            f"{name} {kind.verb} {verdict.how_often}: {now.k} {kind.counted} in the last"
            f" {duration(reading.window)}, {exposure.failing} of {exposure.exposed}"
            f" {exposure.population} ({percent(exposure.share)})."
        ),
        fix=Fix(
            approach="find_common_cause",
            changes=(
                f"Open the samples and compare what they asked of {name}"
                + (f" ({', '.join(kinds)})" if kinds else ""),
                f"Look for what changed when the errors of {name} began: a release, a permission,"
                " a quota, a dependency",
                "Try again after growing pauses, and let another model or provider stand in"
                if is_upstream
                else f"Make {name} say what is wrong and what to do instead, so that the agent can"
                " recover",
            ),
            effort="1 hour",
        ),
        signal=kind.signal,
        criterion=f"{kind.prefix}{exposure.metric}",
        acceptance=(
            f"The share of {exposure.unit} in which {name} {kind.verb} is back at its usual level"
            " over 24 hours",
            "The cause is covered by a test",
        ),
        details={
            "baselineHours": baseline_hours,
            "n": exposure.exposed,
            "k": exposure.failing,
            "calls": now.n,
            "conversations": examples.conversations,
            "failingConversations": now.bad_conversations,
            "interval": exposure.interval,
            "errorTypes": kinds,
            "severityRule": verdict.steps,
        },
    )
    said = [
        {"text": masked_cut(text, _LONGEST_ERROR, builder.context.redacted), "count": count}
        for text, count in examples.errors.items()
    ]
    return with_details(finding, errorTexts=said) if said else finding


def _charted(history: Baseline, exposure: Exposure) -> dict[int, float]:
    """The failing share of those that used it themselves, by the clock hour."""
    if exposure.unit == CONVERSATIONS:
        shares = ((hour, each.bad_units, each.units) for hour, each in history.hours.items())
    else:
        shares = ((hour, each.k, each.n) for hour, each in history.hours.items())
    return {hour: k / n for hour, k, n in shares if n}

"""Tokens that buy nothing: a cache that is not used any more, answers or contexts that have grown,
one tool whose results fill the context.

Models are compared with themselves, as latencies are (``tgt.analyzers.shift``): the p95 with the
p95 of the baseline, and of the share that no cache gave the median, since what begins a
conversation never comes from a cache. That a tool's results are most of all results is a fact.
Prices are not known here; a cost is shown where the telemetry tells it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tgt import subjects
from tgt.analyzers.base import Analysis, Context, Need
from tgt.analyzers.baseline import Baseline, observed_before, outside_incidents
from tgt.analyzers.builder import Builder, Judged, look
from tgt.analyzers.criteria import ANSWERS, CALLS, TAIL, beyond, fact
from tgt.analyzers.figures import Measure, Unit, duration, number, percent
from tgt.analyzers.judgements import Judgement, of_conversations, severity_of, steps
from tgt.analyzers.shift import (
    MEDIAN,
    Shift,
    Values,
    across_conversations,
    quantile,
    shifted,
)
from tgt.analyzers.touched import Harm
from tgt.config import Settings
from tgt.engine.protocol import DistributionReading, Signal
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.stats import distributions
from tgt.stats.distributions import Histogram
from tgt.tasks.card import Finding, Fix, Severity, TaskType, Touched
from tgt.tasks.criterion import Criterion, Tally

THRESHOLD, HIGH, CRITICAL = 2.0, 2.5, 3.0
MIN_ANSWERS, MIN_TAIL_ANSWERS, MIN_BEYOND = 20, 60, 5
"""So many answers, and so many conversations with one beyond the line."""
MIN_BASELINE_ANSWERS = 200
WINDOWS_H = (4,)
PRIOR = 0.005
HALF, MIN_RESULTS, MIN_OTHERS, MIN_BYTES, MIN_CONVERSATIONS = 0.5, 20, 20, 1_000_000, 3
"""A tool's share of the bytes, its results and those of others, what all results are together (a
tool that fills a small context wastes nothing), and the conversations that use it."""
SHARE_OF_RESULTS = "share_of_result_bytes"
LONG_RESULT = 10_000
"""Bytes of a result that could be shorter; to read many small files is what agents are for."""

_ANSWER = "act = 'assistant_response' AND actor <> 'user'"
_CACHED = f"{_ANSWER} AND input_tokens > 0 AND cached_tokens IS NOT NULL"
FLOOR = 0.1
"""Less than that past the cache is as good as nothing."""
UNCACHED = Signal(
    "uncached input",
    where=_CACHED,
    value=f"CASE WHEN cached_tokens > {1 - FLOOR} * input_tokens THEN {FLOOR}"
    " ELSE 1 - cached_tokens / input_tokens END",
)
INPUT = Signal("input tokens", where=_ANSWER, value="input_tokens")
OUTPUT = Signal(
    "output tokens", where=f"{_ANSWER} AND NOT coalesce(truncated, false)", value="output_tokens"
)
"""An answer that was cut off is as long as it may be; that more are is another analyzer's."""
COST = Signal("cost", where=_ANSWER, value="cost_usd")
RESULTS = Signal("results", where="act = 'tool_call' AND actor <> 'user'", value="result_bytes")


@dataclass(frozen=True)
class Kind:
    """One way to waste tokens: what is measured, what it is called, and what helps."""

    signal: Signal
    metric: str
    what: str
    changes: tuple[str, ...]


CACHE = Kind(
    UNCACHED,
    "cached_input_share",
    "input from the cache",
    (
        "Look for what changed at the beginning of the prompt: a time, an id or a reordered list of"
        " tools there makes all that follows new",
        "Compare the pauses between answers with how long the cache keeps an entry",
    ),
)
GROWN = (
    Kind(
        OUTPUT,
        "p95_output_tokens",
        "output tokens an answer",
        (
            "Compare the samples with older answers: a prompt that asks for more, a model that"
            " thinks longer, whole files written where a change would do",
        ),
    ),
    Kind(
        INPUT,
        "p95_input_tokens",
        "input tokens an answer",
        (
            "Look for what has grown in the context: instructions, lists of tools, results of tools"
            " that are kept whole, a history that is never shortened",
        ),
    ),
)


class TokenWasteAnalyzer:
    name = "token_waste"
    task_type = TaskType.TOKEN_WASTE
    summary = (
        "a model's input from the cache collapses, its tokens an answer are more than twice the"
        " usual, or one tool's results are long and more than half of all"
    )
    options = ()
    needs = (
        Need(
            "output_tokens > 0 OR input_tokens > 0 OR result_bytes > 0",
            "no record tells tokens or the size of results",
        ),
    )

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 always the same
        return (UNCACHED, INPUT, OUTPUT, COST, RESULTS)

    def analyze(self, context: Context) -> Analysis:
        def judge(window: Interval) -> Iterator[Judged]:
            yield from self._models(context, window)
            if window == context.window:
                yield from self._tools(context, window)

        return look(context.longer_windows(*WINDOWS_H), judge)

    def tally(self, context: Context, criterion: Criterion, since: Interval) -> Tally | None:
        value = criterion.value
        if criterion.metric == SHARE_OF_RESULTS:
            return _of_results(context, criterion.subject, since)
        if criterion.metric == CACHE.metric:
            tally = beyond(context, UNCACHED, criterion, since, 1 - value, MEDIAN, ANSWERS)
            uncached = tally.value
            return tally if uncached is None else replace(tally, value=1 - uncached)
        for kind in GROWN:
            if kind.metric == criterion.metric:
                return beyond(context, kind.signal, criterion, since, value, TAIL, ANSWERS)
        return None

    def _models(self, context: Context, window: Interval) -> Iterator[Judged]:
        """Of each model the surest finding, or why nothing of it could be judged."""
        judged: dict[str, list[Finding | Abstention | None]] = {}
        for kind in (CACHE, *GROWN):
            readings = context.snapshot.distribution(kind.signal, window, least=MIN_ANSWERS)
            for reading in readings:
                builder = Builder(self, context, reading.subject, window)
                judged.setdefault(reading.subject, []).append(_judge(builder, reading, kind))
        for subject, results in judged.items():
            sure = [each for each in results if isinstance(each, Finding)]
            if sure:
                yield subject, max(sure, key=lambda finding: finding.confidence)
            else:
                yield subject, next((each for each in results if each is None), results[0])

    def _tools(self, context: Context, window: Interval) -> Iterator[Judged]:
        readings = context.snapshot.distribution(RESULTS, window)
        sizes = {each.subject: _total(each.now) for each in readings}
        whole, results = sum(sizes.values()), sum(distributions.size(r.now) for r in readings)
        for each in readings:
            n, size = distributions.size(each.now), sizes[each.subject]
            is_most = whole >= MIN_BYTES and size > HALF * whole and size >= n * LONG_RESULT
            if is_most and n >= MIN_RESULTS and results - n >= MIN_OTHERS:
                builder = Builder(self, context, each.subject, window)
                yield each.subject, _most(builder, n, size, whole)


def _judge(
    builder: Builder, reading: DistributionReading, kind: Kind
) -> Finding | Abstention | None:
    values, missing = _values(builder, reading, kind)
    if missing:
        return builder.abstention(missing)
    ratio = _ratio(values, kind)
    if ratio <= THRESHOLD:
        return None
    if kind is not CACHE:
        values, _ = across_conversations(builder, kind.signal, values, THRESHOLD)
        ratio = _ratio(values, kind)
        if not ratio > THRESHOLD:  # nor if nothing is left
            return None
    history = builder.context.snapshot.distribution_history(
        kind.signal, builder.subject, builder.window
    )
    hours = outside_incidents(
        builder.context, TaskType.TOKEN_WASTE, builder.subject, builder.window
    )
    values = replace(values, history={hour: v for hour, v in history.items() if hour in hours})
    routes = (
        {"all": MIN_ANSWERS} if kind is CACHE else {"tail": MIN_TAIL_ANSWERS, "all": MIN_ANSWERS}
    )
    shifts = [
        shifted(
            builder,
            kind.signal,
            values,
            route,
            THRESHOLD,
            metric=kind.metric,
            counted=lambda line: _beyond(kind, line),
            prior=PRIOR,
            minimum=(least, MIN_BEYOND),
        )
        for route, least in routes.items()
    ]
    best = max(filter(None, shifts), key=lambda shift: shift.confidence, default=None)
    if best is None:
        return None
    severity = severity_of(ratio, high=HIGH, critical=CRITICAL)
    touched = best.touched(builder, Harm.COSTS)
    measure, by_hour = _measure(best, values, kind)
    shift = replace(best, measure=measure, hours=by_hour)
    return builder.deferred(
        lambda: _finding(builder, values, shift, kind, ratio, severity, touched),
        shift,
        severity=severity,
        touched=touched,
    )


def _ratio(values: Values, kind: Kind) -> float:
    """How many times the usual the p95 is; of input from the cache, the usual what it is now."""
    if kind is CACHE:
        return _cached(values.before) / max(_cached(values.now), 0.01) or values.times_usual
    return values.times_usual


def _values(builder: Builder, reading: DistributionReading, kind: Kind) -> tuple[Values, str]:
    """What is compared, and what is missing for that."""
    context, window = builder.context, reading.window
    values = Values(reading.now, reading.before, {})
    if values.n < MIN_ANSWERS:
        return values, f"{values.n} of {MIN_ANSWERS} answers"
    hours = outside_incidents(context, TaskType.TOKEN_WASTE, reading.subject, window)
    if missing := Baseline({}, hours).missing:
        return values, missing
    if hours != observed_before(context, window):
        history = context.snapshot.distribution_history(kind.signal, reading.subject, window)
        before = distributions.merge(v for hour, v in history.items() if hour in hours)
        values = replace(values, before=before)
    size = distributions.size(values.before)
    if size < MIN_BASELINE_ANSWERS:
        return values, f"{size} of {MIN_BASELINE_ANSWERS} answers in the baseline"
    return values, ""


def _cached(uncached: Histogram) -> float:
    """The median share of the input that came from the cache."""
    return max(0.0, 1 - quantile(uncached, MEDIAN))


def _total(histogram: Histogram) -> float:
    """The sum of all values, to one per cent."""
    return math.fsum(n * distributions.BASE ** (place + 0.5) for place, n in histogram.items())


def _beyond(kind: Kind, line: float) -> str:
    if kind is CACHE:
        return f"answers with more than {percent(line)} of their input past the cache"
    return f"answers with more than {line:,.0f} {kind.what.partition(' an ')[0]}"


def _measure(shift: Shift, values: Values, kind: Kind) -> tuple[Measure, dict[int, float]]:
    """The measure in its own unit, and by the hour before."""
    if kind is CACHE:
        usual, now = _cached(values.before), _cached(values.now)
        measure = Measure(
            kind.metric,
            Unit.SHARE,
            now,
            threshold=usual / THRESHOLD,
            usual=usual,
            hours=shift.measure.hours,
            op=">=",
            tolerated=f"half of the usual ({percent(usual / THRESHOLD)})",
        )
        return measure, {hour: _cached(each) for hour, each in values.history.items()}
    now, usual = round(values.p95), round(values.usual_p95)
    measure = replace(shift.measure, unit=Unit.COUNT, value=now, usual=usual, noun="tokens")
    return measure, dict(shift.hours or {})


def _finding(
    builder: Builder,
    values: Values,
    shift: Shift,
    kind: Kind,
    ratio: float,
    severity: Severity,
    touched: Touched,
) -> Finding:
    name, is_cache, measure = subjects.label(builder.subject), kind is CACHE, shift.measure
    cost = _total(_costs(builder))
    if is_cache:
        title = f"{name} hardly uses its cache any more"
        words = (
            f"Of the input of {name}, {measure.current_text} came from the cache (median of"
            f" {values.n} answers in the last {duration(builder.window)}); usually"
            f" {percent(measure.usual or 0)} does."
        )
        limit = f"At least {percent(measure.threshold)} of the input comes from the cache"
    else:
        title = f"{name} needs {ratio:.1f} times its usual {kind.what}"
        words = (
            f"The p95 of {kind.what} of {name} is {measure.value:,.0f}, {ratio:.1f} times its"
            f" usual {measure.usual:,.0f}, over {values.n} answers in the last"
            f" {duration(builder.window)}{values.left_out.told(ANSWERS)}."
        )
        limit = f"The p95 of {kind.what} is below {measure.limit:,.0f}"
    return builder.finding(
        shift,
        builder.examples(kind.signal, beyond=shift.line),
        severity=severity,
        touched=touched,
        title=title,
        description=words,
        fix=Fix(approach="save_tokens", changes=kind.changes, effort="2 hours"),
        signal=kind.signal,
        beyond=shift.line,
        acceptance=(f"{limit} over 24 hours",),
        details={
            "ratio": ratio,
            "severityRule": steps(
                lambda times: f"{times:g} times the usual", high=HIGH, critical=CRITICAL
            ),
            **({"costUsd": cost} if cost else {}),
        },
    )


def _costs(builder: Builder) -> Histogram:
    readings = builder.context.snapshot.distribution(COST, builder.window, least=1 << 62)
    return next((each.now for each in readings if each.subject == builder.subject), {})


def _of_results(context: Context, subject: str, since: Interval) -> Tally:
    """Whether a tool's results are most of all, as often as there was one."""
    readings = context.snapshot.distribution(RESULTS, since, least=1 << 62)
    sizes = {each.subject: _total(each.now) for each in readings}
    own = next((each.now for each in readings if each.subject == subject), {})
    if not own:
        return Tally(0, 0, 0)
    share = sizes[subject] / sum(sizes.values())
    return fact(distributions.size(own), is_bad=share > HALF, value=number(share), unit=CALLS)


def _most(builder: Builder, n: int, size: float, whole: float) -> Finding | Abstention | None:
    """That a tool's results are most of all results."""
    name, share = subjects.label(builder.subject), size / whole
    examples = builder.examples(RESULTS, beyond=size / n)
    if examples.conversations < MIN_CONVERSATIONS:
        return builder.abstention(f"{examples.conversations} of {MIN_CONVERSATIONS} conversations")
    return builder.finding(
        Judgement(
            Measure(SHARE_OF_RESULTS, Unit.SHARE, share, threshold=HALF),
            of_conversations(examples.conversations),
        ),
        examples,
        severity=Severity.MEDIUM,
        touched=builder.touched(examples.conversations, Harm.COSTS),
        title=f"Results of {name} are most of what goes into the context",
        description=(
            f"{n} results of {name} are {percent(share)} of the {whole / 1e6:.1f} MB that all tools"
            f" answered in the last {duration(builder.window)}, {size / n / 1000:.1f} kB each."
        ),
        fix=Fix(
            approach="shorten_results",
            changes=(
                f"Give {name} a limit, a filter or pages, and let it say what it left out",
                "Tell the agent to ask for the part that it needs",
            ),
            effort="2 hours",
        ),
        signal=RESULTS,
        beyond=size / n,
        acceptance=(f"Results of {name} are less than half of all over 24 hours",),
        details={
            "rule": "one tool's results are more than half of the bytes of all, and long",
            "severityRule": "always medium",
            "n": n,
            "bytes": number(size),
            "allBytes": number(whole),
            "conversations": examples.conversations,
        },
    )

"""Why a card says what it says: its own statistics in plain words, from its data alone.

Whatever analyzer, rule or plug-in wrote the card, each sentence rests on keys that are there. A
figure that a card lacks is not made up, so a card of another writer has a shorter explanation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from tgt.output import card_view, evidence_view, mutes_view, verify_view, words
from tgt.tasks import proposal
from tgt.tasks.card import (
    FEW,
    GENERATED_BY,
    MOST_BY_SEVERITY,
    MOST_BY_TOUCHED,
    Card,
    Severity,
    Status,
    TaskType,
    Touched,
    priority_parts,
)
from tgt.tasks.mute import KEY, Mute
from tgt.tasks.reputation import KEY as REPUTATION
from tgt.tasks.verdict import is_by_tgt
from tgt.tasks.verification import LEAST, criteria_of

if TYPE_CHECKING:
    from datetime import datetime

Sentences: TypeAlias = Iterator[str]
_ALIKE = 1.01
"""A design effect of less takes nothing away that anybody would notice."""
_MOST_WINDOWS = 20
_RAREST = 1e-9
_MANY_TIMES = 100
"""Beyond so many nobody wants to know how many times the usual it is."""
_FACTS = ("docs_gap", "recurring_error", "retry_loop")
"""Analyzers that state facts: nothing is compared with what is usual."""


def why(task: Card, now: datetime) -> dict[str, str]:
    """What there is to explain of a card, by what it is about: the words of the glossary."""
    explanations = ((about, " ".join(say(task, now))) for about, say in _SAID.items())
    return {about: text for about, text in explanations if text}


def _counted(task: Card, now: datetime) -> Sentences:  # noqa: ARG001 the others need it
    evidence, numbers = task.mapping("evidence"), _numbers(task)
    if metric := words.spoken(evidence.get("metric")):
        window = evidence.get("timeWindow")
        when = f", in a window of {window}" if isinstance(window, str) and window else ""
        yield f"{metric}{when}."
    k, n, unit = numbers.number("k"), numbers.number("n"), _unit(task)
    if n and "k" in numbers.data:
        yield f"Of {words.count(n)} {unit}, {words.count(k)} counted against it."
    elif n:
        yield f"{words.count(n)} {unit} counted against it."
    talks, bad = numbers.number("conversations"), numbers.number("failingConversations")
    if talks and unit != "conversations":
        of_them = f", and {words.count(bad)} of these had at least one" if bad else ""
        yield f"They are of {words.plural(round(talks), 'conversation')}{of_them}."
    if (left_out := numbers.number("leftOutN")) and n:
        whose = words.plural(round(numbers.number("leftOutConversations")), "large conversation")
        yield f"{words.count(left_out)} more, of {whose}, are left out: they speak for no other."
    effect = numbers.number("designEffect")
    if effect > _ALIKE and n:
        yield (
            f"Those of one conversation are alike, so {words.count(n)} weigh as much as"
            f" {words.count(n / effect)} that are independent (a design effect of {effect:.2f})."
        )
    if rule := numbers.text("rule"):
        yield f"The rule: {rule}."
    if surest := numbers.text("surestIn"):
        yield f"The end of the window shows it most plainly: the confidence is that of {surest}."
    if len(fired := numbers.items("windows")[:_MOST_WINDOWS]) > 1:
        windows = evidence_view.windows({"windows": list(fired), "unit": numbers.text("unit")})
        yield f"It showed in several windows, each with its own confidence: {windows}."


def _usual(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    numbers, baseline = _numbers(task), task.mapping("evidence").get("baseline")
    hours, compared = numbers.number("baselineHours"), numbers.items("compared")
    if isinstance(baseline, str) and baseline:
        usual, _, over = baseline.partition(" over ")
        counted = words.count(hours) if hours else over.removesuffix(" h")
        rests = f", by {counted} hours with telemetry before the window" if counted else ""
        yield f"The baseline says {usual}{rests}."
        yield (
            "Hours in which this problem had a card already are left out of it, as long as a day"
            " remains without them."
        )
        if (expected := numbers.number("expected")) and (n := numbers.number("n")):
            yield f"At that rate {expected:.3g} of {words.count(n)} would be expected."
    elif compared:
        counts = ", ".join(words.quantity(each, "count") or "?" for each in compared)
        what = numbers.text("comparedWith") or "days"
        yield f"At this time of the {len(compared)} {what} before: {counts} conversations."
    elif task.analyzer in _FACTS:
        yield "This is a fact of the conversations that were seen: no baseline is needed."
    elif hours == 0:
        yield "The card names no baseline: there was too little, or nothing is compared with it."


def _limit(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    evidence = task.mapping("evidence")
    limit, current = evidence.get("threshold"), evidence.get("current")
    if not isinstance(limit, str) or not limit:
        return
    yield f"The limit is {limit}."
    if isinstance(current, str) and current:
        yield f"What was measured, {current}, lies beyond it."


def _confidence(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    numbers, sure = _numbers(task), words.confidence(task.confidence)
    yield f"{sure} when the card was written: {_meaning(task, numbers)}"
    if (ends := _interval(numbers)) is not None:
        yield f"With a probability of 90% the share itself lies between {ends[0]} and {ends[1]}."
    if numbers.text("touchedUnit") == "events":
        yield "Events have no conversation here, so it is never above 80%."
    if enough := numbers.text("enough"):
        yield f"{enough} for a card."
    last = Card(task.mapping("now")).confidence
    if last and abs(last - task.confidence) > 0.005:  # noqa: PLR2004 what is shown would differ
        yield f"The last run that saw the problem was {words.confidence(last)} sure."


def _meaning(task: Card, numbers: Card) -> str:
    """What the confidence is the probability of, by what the judgement rests on."""
    by = f" `{task.analyzer}`" if task.analyzer else ""
    return (
        _of_comparison(numbers)
        or _of_share(task, numbers)
        or _of_fact(task, numbers)
        or f"so sure is the analyzer{by} that the measure lies beyond its limit."
    )


def _of_comparison(numbers: Card) -> str:
    """Of what is held against what is usual; empty where nothing is."""
    usual, times = numbers.number("baselineShare"), numbers.number("thresholdValue")
    if chance := numbers.number("chance"):
        return (
            "so sure is it that the silence is no chance. Where nothing is wrong there would be no"
            f" event {_once(chance)}."
        )
    if route := numbers.text("route"):
        part = "half" if route == "all" else "5%"
        return (
            f"the probability that this is a change, and that now more than {part} of the values"
            " lie beyond the line of the rule."
        )
    if numbers.text("unit") != "ratio" or not usual or times <= 0:
        return ""
    tail = numbers.number("tail")
    by_chance = f" By chance alone so many come up {_once(tail)}." if tail else ""
    return (
        "the probability that the share has changed, and now lies above"
        f" {_share(min(1.0, usual * math.sqrt(times)))}: the usual {_share(usual)}"
        f" times the square root of {times:g}.{by_chance}"
    )


def _of_share(task: Card, numbers: Card) -> str:
    """Of a share beside a fixed limit; empty where it is none."""
    limit = task.mapping("evidence").get("threshold")
    is_share = numbers.text("unit") == "share" and "interval" in numbers.data
    if not is_share or not isinstance(limit, str):
        return ""
    return f"the probability that the share really lies above {limit}, and not by chance."


def _of_fact(task: Card, numbers: Card) -> str:
    """Of what is no matter of chance; empty where it may be one."""
    many, grows = 0.0, "conversations that show it: 70% for three, 95% for eighteen"
    if task.analyzer == "recurring_error":
        many = numbers.number("k")
    elif task.analyzer == "docs_gap" or "allBytes" in numbers.data:
        many = numbers.number("conversations")
    elif task.analyzer == "retry_loop":
        many, least = numbers.number("calls"), numbers.number("thresholdValue")
        grows = f"calls in vain: 80% for {least:g}, the fewest that are a loop"
    if not many:
        return ""
    return (
        f"a fact, so nothing is left to chance. It grows with the {grows}; here there are"
        f" {words.count(many)}."
    )


def _severity(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    numbers, last = _numbers(task), Card(task.mapping("now")).severity
    if rule := numbers.text("severityRule"):
        yield f"{task.severity.capitalize()} when the card was written. The steps: {rule}."
        if graded := _graded(task, numbers):
            yield f"Measured was {graded}."
    if _is_few(numbers) and task.type != TaskType.CUSTOM:
        yield (
            f"It touches fewer than 1 of {1 / FEW:.0f} conversations, so it is one step less severe"
            " than by the steps."
        )
    if last and last != task.severity:
        yield f"The last run that saw the problem measured {last}."


def _graded(task: Card, numbers: Card) -> str:
    """What the steps of the severity are held against: a multiple where they are such."""
    times = numbers.number("ratio") or numbers.number("value") * (numbers.text("unit") == "ratio")
    current = task.mapping("evidence").get("current")
    if times > _MANY_TIMES:
        return f"more than {_MANY_TIMES} times the usual"
    if times:
        return f"{times:.3g} times the usual"
    return current if isinstance(current, str) else ""


def _priority(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    shown = task.current
    yield f"{shown.priority:.0f} of 100."
    numbers = Card({**_numbers(task).data, **task.mapping("now")})
    per_day, harm = numbers.number("touchedPerDay"), numbers.number("harm")
    if reach := evidence_view.touched(numbers.data):
        yield f"The problem touches {reach}."
    if "harm" in numbers.data and shown.severity in set(Severity):
        parts = priority_parts(Severity(shown.severity), Touched(per_day, harm=harm))
        severe, many = parts
        yield (
            f"Such a conversation suffers {harm:.2g} of the most it could. So the severity gives"
            f" {severe:.0f} of {MOST_BY_SEVERITY:.0f} points, and how many are touched"
            f" {many:.0f} of {MOST_BY_TOUCHED:.0f};"
            f" times the confidence that is {sum(parts) * shown.confidence:.0f}."
        )
    if task.is_open and task.text("quietSince"):
        yield "While it is quiet, half of that counts."
    if (lowered := Card(task.mapping(REPUTATION))).data:
        yield (
            f"It would be {lowered.number('priority'):.0f}, but {card_view.dismissals(lowered)}, so"
            " it counts less."
        )


def _status(task: Card, now: datetime) -> Sentences:
    yield from _decided(task, now)
    reopened = task.mapping("metadata").get("reopened")
    if isinstance(reopened, Mapping) and isinstance(reason := reopened.get("reason"), str):
        yield f"It was opened again: {words.REASONS.get(reason, reason)}."
    if times := round(task.number("occurrences")):
        last = task.time("lastSeenAt")
        seen = f", last {words.seen(last, now)}" if last else ""
        yield f"{words.plural(times, 'run')} saw the problem{seen}."
    if not task.is_open:
        return
    if quiet := task.time("quietSince"):
        yield (
            f"It is quiet since {words.clock(quiet)}: since then it would have shown itself, and"
            " did not."
        )
    if (mute := Mute.of({**task.mapping(KEY), "muted": True})) is not None:
        yield f"It is muted {mutes_view.of_card(mute)}."
    if (proposed := proposal.standing(task)) is not None:
        yield f"{proposed.by} proposes to complete it: {proposed.text}"


def _decided(task: Card, now: datetime) -> Sentences:
    match task.status:
        case Status.GENERATED:
            yield "The task is open, and nobody has decided about it."
        case Status.APPROVED if is_by_tgt(task):
            yield "The task is open. tgt approved it, since people approved all of its kind."
        case Status.APPROVED:
            yield "The task is open: somebody said that it is worth doing."
        case Status.DISMISSED:
            until = task.time("dismissedUntil")
            worse = task.text("dismissedSeverity")
            if until is not None and until > now:
                yield f"Dismissed until {words.clock(until)}."
            else:
                than = f" than {worse}" if worse else ""
                yield f"Dismissed: it comes back where it is worse{than}."
        case Status.COMPLETED if task.text("completedBy") == GENERATED_BY:
            yield "Completed by tgt, since telemetry shows that the problem is over."
        case Status.COMPLETED:
            yield "Completed by somebody. If the problem comes back, the task is opened again."


def _end(task: Card, now: datetime) -> Sentences:  # noqa: ARG001
    criteria = criteria_of(task)
    for criterion in criteria:
        text = verify_view.criterion_text(criterion, verify_view.unit_of(task.mapping("evidence")))
        yield f"The problem is over when this is true: {text}."
        if (least := criterion.least) is not None:
            yield (
                f"{least:,} {criterion.unit} without a bad one would show that: if nothing had"
                " changed, so many good ones would hardly come up."
            )
    if verification := task.mapping("verification"):
        yield f"So far: {verify_view.sentence(verification)}."
    if criteria and task.is_open:
        hours = LEAST / timedelta(hours=1)
        yield (
            f"If that holds for {hours:.0f} hours of telemetry, tgt completes the task itself."
            " Whoever completes it earlier has it measured, too."
        )
    elif not criteria:
        yield "tgt can measure nothing of its end: people say when it is done."


_SAID: Mapping[str, Callable[[Card, datetime], Sentences]] = {
    "counted": _counted,
    "usual": _usual,
    "limit": _limit,
    "confidence": _confidence,
    "severity": _severity,
    "priority": _priority,
    "status": _status,
    "end": _end,
}
"""What is explained, in this order: each says what it can of a card."""


def _numbers(task: Card) -> Card:
    """The details of the evidence, read as tolerantly as a card."""
    details = task.mapping("evidence").get("details")
    return Card(details if isinstance(details, dict) else {})


def _unit(task: Card) -> str:
    """What was counted, as the card's criterion calls it."""
    stored: Any = next(iter(task.items("criteria")), None)
    unit = stored.get("unit") if isinstance(stored, Mapping) else None
    if isinstance(unit, str) and unit:
        return unit
    return "calls" if "calls" in str(task.mapping("evidence").get("current")) else "events"


def _interval(numbers: Card) -> tuple[str, str] | None:
    ends = [words.number(each) for each in numbers.items("interval")]
    if len(ends) != 2 or None in ends:  # noqa: PLR2004 its two ends
        return None
    low, high = (words.percent(each or 0.0) for each in ends)
    return low, high


def _share(value: float) -> str:
    """A share of which it matters how small it is."""
    return words.percent(value) if value >= 0.001 else f"{100 * value:.2g}%"  # noqa: PLR2004


def _is_few(numbers: Card) -> bool:
    share = words.number(numbers.data.get("touchedShare"))
    by_event = numbers.text("touchedUnit") == "events"
    return Touched(0.0, share, by_event=by_event).is_few


def _once(chance: float) -> str:
    """``once in 10,000 times``."""
    if chance >= 0.5:  # noqa: PLR2004 more often than not
        return "more often than not"
    rare = "less than " if chance < _RAREST else ""
    return f"{rare}once in {words.count(float(f'{1 / max(chance, _RAREST):.2g}'))} times"

"""What the analyzers make of one window, before any card is looked at.

Each runs in isolation: one that fails is reported and backed off, and the others go on. The times
in which a problem is known to have been there are no part of what is usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tgt import follow_up
from tgt.analyzers.base import Analyzer, Context, reason_of
from tgt.analyzers.deferred import Deferred, whole
from tgt.analyzers.masking import presentable
from tgt.analyzers.registry import chosen
from tgt.config import Settings
from tgt.engine.protocol import Progress, Snapshot
from tgt.events import Interval
from tgt.follow_up import Each
from tgt.outcome import Abstention
from tgt.tasks import ledger
from tgt.tasks.card import Card, Finding, Status, format_time, severity_rank
from tgt.tasks.mute import NOTHING, Mutes
from tgt.tasks.related import Incident
from tgt.tasks.state import Health, SchedulerState
from tgt.tasks.verification import Watch

Incidents = Mapping[str, Sequence[Interval]]
"""By fingerprint, when problems were there that have a card which nobody dismissed."""

_LONGEST_INCIDENT = timedelta(days=30)


@dataclass(frozen=True)
class Judged:
    """What the analyzers made of one window, before any card is looked at.

    ``sure`` are the findings of at least the minimum confidence, best priority first.
    """

    findings: tuple[Finding, ...]
    sure: tuple[Finding, ...]
    abstained: tuple[Abstention, ...]
    warnings: tuple[str, ...]
    health: Mapping[str, Health]
    notices: tuple[str, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """Which of the findings belong together."""
    mutes: Mutes = NOTHING
    """What people want to be quiet."""
    followed_up: follow_up.Measured | None = None
    """What was measured of cards; None where nothing was."""

    @property
    def proven(self) -> frozenset[str]:
        """The ids of cards of which it is shown that their problem is over."""
        return frozenset(name for name, watch in self.watches.items() if watch.holds)

    @property
    def watches(self) -> Mapping[str, Watch]:
        return self.followed_up.watches if self.followed_up else {}


def window_of(settings: Settings, now: datetime) -> Interval:
    return Interval(now - timedelta(minutes=settings.window_min), now)


def incidents_of(
    each_card: Each,
    settings: Settings,
    state: SchedulerState,
    now: datetime,
) -> Incidents:
    """The incidents of the baseline, of the cards that ``each_card`` hands on one by one.

    A later card overrules an earlier one of the same id, so that nobody need hold them all.
    """
    window = timedelta(minutes=settings.window_min)
    since = now - timedelta(days=settings.baseline_days) - window
    intervals: dict[str, tuple[str, Interval]] = {}

    def take(card: Card) -> None:
        intervals.pop(card.id, None)
        shown = ledger.overlaid(card, state.sightings.get(card.id))
        interval = incident_of(shown, window, since)
        if interval is not None:
            intervals[card.id] = (card.fingerprint, interval)

    each_card(take)
    incidents: dict[str, list[Interval]] = {}
    for fingerprint, interval in intervals.values():
        incidents.setdefault(fingerprint, []).append(interval)
    return incidents


def incident_of(card: Card, window: timedelta, since: datetime) -> Interval | None:
    """When the problem of a card was there, if that was since a time and nobody dismissed it.

    A problem was first seen at the end of a window, so it may have begun a window earlier.
    """
    if not card.fingerprint or card.status == Status.DISMISSED:
        return None
    first, last = card.time("firstSeenAt"), card.time("lastSeenAt")
    if not first or not last or last < since:
        return None
    start = max(first - window, last - _LONGEST_INCIDENT)
    return Interval(start, last) if start < last else None


def judge(
    settings: Settings,
    snapshot: Snapshot,
    incidents: Incidents,
    health: Mapping[str, Health],
    progress: Progress | None = None,
) -> Judged:
    """What the analyzers find in the snapshot's window, and what of it is certain enough.

    Hours of ``incidents`` are no part of a baseline. What there is to say of the findings is worked
    out by ``worded``, or when somebody reads it.
    """
    context = Context(settings, snapshot, snapshot.coverage.window, incidents)
    interval = timedelta(minutes=settings.interval_min)
    analyzers = [
        each
        for each in chosen(settings).analyzers
        if snapshot.coverage.events or getattr(each, "works_without_events", False)
    ]
    judged = analyze(analyzers, context, health, interval, progress)
    sure = [f for f in judged.findings if f.confidence >= settings.min_confidence]
    sure.sort(key=lambda f: (-f.priority, -f.confidence, f.type, f.subject))
    return replace(judged, sure=tuple(sure))


def worded(
    settings: Settings,
    judged: Judged,
    cards: Iterable[Card],
    health: Mapping[str, Health],
    now: datetime,
) -> Judged:
    """What was judged, with all that there is to say of what no open card says already.

    ``health`` is that of the analyzers before they judged.
    """
    is_covered = _covered_by(cards)
    findings: dict[int, Finding] = {}
    for finding in judged.sure:
        try:
            findings[id(finding)] = finding if is_covered(finding) else whole(finding)
        except Exception as failure:  # noqa: BLE001 as in analyze
            name = finding.analyzer
            if name in judged.health:
                continue
            reason = reason_of(failure, settings.masked)
            interval = timedelta(minutes=settings.interval_min)
            after = health.get(name, Health()).failed(reason, now, interval)
            warning = f"analyzer {name} failed: {reason}"
            judged = replace(
                judged,
                findings=tuple(f for f in judged.findings if f.analyzer != name),
                warnings=(*judged.warnings, warning),
                health={**judged.health, name: after},
            )
    failed = {f.analyzer for f in judged.sure if id(f) not in findings}
    left = tuple(findings[id(f)] for f in judged.sure if f.analyzer not in failed)
    return replace(judged, sure=left)


def sayable(judged: Judged, cards: Iterable[Card]) -> Judged:
    """What was judged, once telemetry is closed: without findings that a card covered which
    somebody has closed since. What there is to say of them the next run will ask."""
    is_covered = _covered_by(cards)
    sure = tuple(f for f in judged.sure if not isinstance(f, Deferred) or is_covered(f))
    return replace(judged, sure=sure)


def _covered_by(cards: Iterable[Card]) -> Callable[[Finding], bool]:
    """Whether an open card says already what a finding would."""
    ranks = {card.fingerprint: severity_rank(card.severity) for card in cards if card.is_open}
    return lambda finding: finding.severity.rank <= ranks.get(finding.fingerprint, -1)


def analyze(
    analyzers: Sequence[Analyzer],
    context: Context,
    health: Mapping[str, Health],
    interval: timedelta,
    progress: Progress | None = None,
) -> Judged:
    """Run each analyzer in isolation: one that fails is reported and backed off, others go on."""
    now = context.window.end
    findings: list[Finding] = []
    abstained: list[Abstention] = []
    warnings: list[str] = []
    notices: list[str] = []
    after = dict(health)
    for index, analyzer in enumerate(analyzers):
        if progress:
            progress(f"analyzing: {analyzer.name}", index / len(analyzers))
        before = health.get(analyzer.name, Health())
        if before.waiting(now, interval) and before.retry_at is not None:
            reason = f"failed {before.consecutive_failures} times, not tried again before"
            reason += f" {format_time(before.retry_at)}"
            abstained.append(Abstention(analyzer.name, "all", reason))
            continue
        try:
            analysis = presentable(analyzer.analyze(context), context)
        except Exception as failure:  # noqa: BLE001 whatever fails in one must not stop the others
            reason = context.reason(failure)
            after[analyzer.name] = before.failed(reason, now, interval)
            warnings.append(f"analyzer {analyzer.name} failed: {reason}")
            continue
        after.pop(analyzer.name, None)
        findings.extend(analysis.findings)
        abstained.extend(analysis.abstained)
        notices.extend(analysis.notices)
    return Judged(tuple(findings), (), tuple(abstained), tuple(warnings), after, tuple(notices))

"""One cycle, in nine steps: lock, read, analyze, filter, sort, quota, ledger, journal, sidecar.

Cards are durable before the quota is: a crash in between may repeat work, never lose it. A cycle
takes the time as an argument; it looks at a clock only to say how long it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from tgt import follow_up, mutes
from tgt.analyzers import incidents
from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.builder import with_samples
from tgt.analyzers.changes import with_changes, with_versions
from tgt.analyzers.criteria import with_before
from tgt.analyzers.deferred import whole
from tgt.analyzers.masking import masked, presentable
from tgt.analyzers.registry import chosen
from tgt.config import Settings
from tgt.engine.protocol import Progress, Snapshot, Timeline
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.errors import SettingsError, TgtError
from tgt.events import Interval
from tgt.follow_up import Each
from tgt.lookback import Older, no_events
from tgt.outcome import Abstention, RunReport, SkipReason
from tgt.store import fsio
from tgt.store.journal import Journal
from tgt.store.marks_file import MarksFile
from tgt.store.state_file import Sidecar
from tgt.tasks import ledger, quota, related
from tgt.tasks.card import GENERATED_BY, Card, Finding, Status, format_time
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.mute import NOTHING, Mutes
from tgt.tasks.related import Incident
from tgt.tasks.state import Health, SchedulerState, Sighting
from tgt.tasks.verification import Watch

Incidents = Mapping[str, Sequence[Interval]]
"""By fingerprint, when problems were there that have a card which nobody dismissed."""

_QUOTAS = frozenset({ledger.QUOTA, ledger.ANALYZER_QUOTA})
_LIMITS = {
    ledger.QUOTA: "hourly quota",
    ledger.MAX_TASKS: "task limit",
    ledger.ANALYZER_QUOTA: "hourly quota of their analyzers",
}
_LONGEST_INCIDENT = timedelta(days=30)
_WRITTEN = frozenset({Action.SAVE, Action.RENEW, Action.REOPEN})
_COVERS = _WRITTEN | {Action.TOUCH}


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


def run(
    settings: Settings,
    now: datetime,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """One cycle as of ``now``; a dry run writes nothing at all.

    Raises TgtError when the cycle as a whole fails; the failure is counted in the sidecar.
    """
    started = time.perf_counter()
    if not settings.enabled:
        return RunReport("Skipped: disabled by TASKGEN_ENABLED=0", SkipReason.DISABLED, dry_run)
    with _only_cycle(settings, dry_run=dry_run) as alone:
        if not alone:
            message = "Skipped: another cycle is running"
            return RunReport(message, SkipReason.ALREADY_RUNNING, dry_run)
        try:
            report = _cycle(settings, now, dry_run=dry_run, progress=progress, started=started)
        except SettingsError:
            raise
        except TgtError as failure:
            if not dry_run:
                _count_failure(settings, now, settings.masked(failure.message))
            raise
    return report


@contextmanager
def _only_cycle(settings: Settings, *, dry_run: bool) -> Iterator[bool]:
    if dry_run:
        yield not fsio.is_locked(settings.tasks_dir / fsio.RUN_LOCK)
        return
    with fsio.try_lock(settings.tasks_dir / fsio.RUN_LOCK) as alone:
        yield alone


def _cycle(
    settings: Settings,
    now: datetime,
    *,
    dry_run: bool,
    progress: Progress | None,
    started: float,
) -> RunReport:
    journal, sidecar = Journal(settings.tasks_dir), Sidecar(settings.tasks_dir)
    state, warnings = sidecar.read(_cards_of(journal))
    pause = state.pause.as_of(now) if state.pause else None
    if pause is not None:
        if pause != state.pause and not dry_run:
            # The clock was set back behind the pause: its new end must be its last.
            sidecar.update(lambda s: replace(s, pause=s.pause.as_of(now) if s.pause else None))
        until = f" until {format_time(pause.until)}" if pause.until else ""
        return RunReport(f"Skipped: paused{until}", SkipReason.PAUSED, dry_run)

    muted = mutes.if_readable(settings.tasks_dir, now)
    warnings = (*warnings, muted.warning) if muted.warning else warnings
    judged, report = _read_and_judge(
        settings, now, journal, state, muted.mutes, progress, dry_run=dry_run
    )
    report = replace(report, warnings=(*warnings, *report.warnings), dry_run=dry_run)
    decisions: tuple[Decision, ...] = ()
    stored: dict[str, Card] | None = None
    ended: tuple[Card, ...] = ()
    if judged.sure and dry_run:
        stored = journal.brief(_is_found(judged))
        decisions = decide(settings, judged, stored, state, now)
        told = _related(judged, decisions, stored, state.sightings, now)
        decisions = _relating(decisions, told)
    elif judged.sure or judged.proven:
        decisions, ended, stored = _save(settings, journal, judged, state, now)
    report = replace(_reported(report, judged, decisions, ended), duration_ms=_since(started))
    if not dry_run:
        sidecar.update(lambda s: _after(s, report, judged, decisions, ended, stored, now))
    return report


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


def window_of(settings: Settings, now: datetime) -> Interval:
    return Interval(now - timedelta(minutes=settings.window_min), now)


def _read_and_judge(
    settings: Settings,
    now: datetime,
    journal: Journal,
    state: SchedulerState,
    muted: Mutes,
    progress: Progress | None,
    *,
    dry_run: bool,
) -> tuple[Judged, RunReport]:
    window = window_of(settings, now)
    telemetry = telemetry_of(settings)
    nobody = Judged((), (), (), (), state.analyzers)
    if not telemetry.may_reach(window.start - timedelta(days=settings.baseline_days)):
        report = RunReport("", warnings=telemetry.warnings)
        older = Older(newest=telemetry.last_written, files=telemetry.files)
        return nobody, _without_events(report, settings, older, now)
    watched: dict[str, Card] = {}
    each = journal.each if dry_run else follow_up.remembering(journal.each, watched, now)
    incidents = incidents_of(each, settings, state, now)  # before the engine takes memory
    analyzers = chosen(settings)
    with open_timeline(
        settings, telemetry, analyzers.signals, window, writable=not dry_run, progress=progress
    ) as timeline:
        snapshot = timeline.at(window)
        coverage = snapshot.coverage
        report = RunReport(
            "",
            events_analyzed=coverage.events,
            malformed_lines=coverage.malformed_lines,
            newest_event=coverage.newest,
            warnings=tuple(settings.masked(w) for w in (*telemetry.warnings, *timeline.warnings)),
            notices=tuple(map(settings.masked, coverage.notices)),
        )
        judged = judge(settings, snapshot, incidents, state.analyzers, progress)
        judged = replace(judged, mutes=muted)
        context = Context(settings, snapshot, window, incidents)
        if watched:
            after = follow_up.measure(context, watched, state)
            told = tuple(dict.fromkeys((*judged.warnings, *after.failed)))
            judged = replace(judged, followed_up=after, warnings=told)
        if coverage.events == 0 and not judged.sure:
            older = Older(coverage.older, coverage.newest)
            report = replace(report, warnings=(*report.warnings, *judged.warnings))
            skipped = replace(judged, findings=(), sure=(), abstained=(), notices=())
            return skipped, _without_events(report, settings, older, now)
        if judged.sure:
            stored = journal.brief(_is_found(judged))
            judged = completed(settings, timeline, judged, stored, state, now, context)
    return judged, replace(
        report,
        warnings=(*report.warnings, *judged.warnings),
        notices=(*report.notices, *judged.notices),
    )


def _without_events(
    report: RunReport, settings: Settings, older: Older, now: datetime
) -> RunReport:
    return replace(
        report,
        message=no_events(settings.window_min, older, now),
        skipped=SkipReason.NO_EVENTS,
        older_events=older.events,
        instead=older.command(now),
    )


def completed(
    settings: Settings,
    timeline: Timeline,
    judged: Judged,
    stored: Mapping[str, Card],
    state: SchedulerState,
    now: datetime,
    context: Context | None = None,
) -> Judged:
    """What was judged, with the texts of samples where a card is going to be written; and, given
    the ``context``, with what changed when it began, and what must be counted to know later whether
    the problem is over. Of what comes back after it was completed it is asked which versions it is.

    The texts are read again from the telemetry, which would be in vain for what a card covers.
    """
    decisions = decide(settings, judged, stored, state, now)
    if context is not None and any(d.reason == ledger.CAME_BACK for d in decisions):
        judged = _by_version(context, judged, decisions)
        decisions = decide(settings, judged, stored, state, now)
    written = {d.finding.fingerprint for d in decisions if d.action in _WRITTEN}
    chosen_findings = [f for f in judged.sure if f.fingerprint in written]
    if context is not None:
        analyzers = chosen(settings).analyzers
        judged, chosen_findings = _asked(
            context, judged, chosen_findings, lambda f: with_before(analyzers, context, whole(f))
        )
        judged, chosen_findings = _with_changes(context, judged, chosen_findings)
        judged = _with_incidents(context, judged, decisions, now) if written else judged
    samples = iter(timeline.complete([s for f in chosen_findings for s in f.examples]))
    told = {
        id(finding): masked(
            with_samples(finding, tuple(islice(samples, len(finding.examples))), settings.masked),
            settings.masked,
        )
        for finding in chosen_findings
    }
    sure = tuple(told.get(id(finding), finding) for finding in judged.sure)
    return replace(judged, sure=sure)


def _by_version(context: Context, judged: Judged, decisions: Sequence[Decision]) -> Judged:
    """What was judged, with the versions of what came back since its card was completed."""
    back = {id(d.finding): d.card for d in decisions if d.card and d.reason == ledger.CAME_BACK}

    def told(finding: Finding) -> Finding:
        card = back.get(id(finding), Card({}))
        completed = card.time("completedAt") or card.time("updatedAt")
        if completed is None:
            return finding
        return with_versions(context, whole(finding), completed, card.time("firstSeenAt"))

    return _asked(context, judged, judged.sure, told)[0]


def _with_changes(
    context: Context, judged: Judged, findings: Sequence[Finding]
) -> tuple[Judged, list[Finding]]:
    """What was judged, and these findings of it, with what changed when each began."""
    try:
        marks = MarksFile(context.settings.tasks_dir).read().marks
    except TgtError as failure:
        marks = ()
        warning = context.settings.masked(failure.message)
        judged = replace(judged, warnings=(*judged.warnings, warning))

    def told(finding: Finding) -> Finding:
        return with_changes(context, finding, marks)

    return _asked(context, judged, findings, told)


def _with_incidents(
    context: Context, judged: Judged, decisions: Sequence[Decision], now: datetime
) -> Judged:
    """What was judged, and which of the problems that are new, or have a young card, belong
    together."""
    cards = {d.finding.fingerprint: d.card for d in decisions if d.card is not None}
    about = {
        d.finding.fingerprint
        for d in decisions
        if d.action in _WRITTEN or (d.action is Action.TOUCH and related.is_young(d.card, now))
    }
    findings = [finding for finding in judged.sure if finding.fingerprint in about]
    try:
        told = related.pairs(cards.values())
        found = incidents.incidents(context.snapshot, context.window, findings, told)
    except Exception as failure:  # noqa: BLE001 as in analyze
        reason, _ = _failure(failure, Health(), context, timedelta())
        warning = f"which problems belong together cannot be told: {reason}"
        return replace(judged, warnings=(*judged.warnings, warning))
    return replace(judged, incidents=found)


def _related(
    judged: Judged,
    decisions: Sequence[Decision],
    cards: Mapping[str, Card],
    sightings: Mapping[str, Sighting],
    now: datetime,
) -> dict[str, tuple[related.Entry, ...]]:
    """What is new of which cards belong together, by their ids."""
    if not judged.incidents:
        return {}
    decided = {d.card.id: d.card for d in decisions if d.card is not None}
    mine = {d.finding.fingerprint: d.card for d in decisions if d.card and d.action in _COVERS}
    known = ledger.overlay(cards, sightings) | decided
    return related.related(judged.incidents, mine, known, now)


def _relating(
    decisions: Sequence[Decision], told: Mapping[str, Sequence[related.Entry]]
) -> tuple[Decision, ...]:
    """The decisions, with cards that name each other."""
    return tuple(
        replace(d, card=related.with_related(d.card, told[d.card.id]))
        if d.card is not None and d.card.id in told
        else d
        for d in decisions
    )


def _asked(
    context: Context,
    judged: Judged,
    findings: Sequence[Finding],
    tell: Callable[[Finding], Finding],
) -> tuple[Judged, list[Finding]]:
    """What was judged, and findings of it, with more that is told of each; what cannot be told for
    whatever reason keeps nobody from being told of the problem."""
    told: dict[int, Finding] = {}
    warnings = []
    for finding in findings:
        try:
            told[id(finding)] = tell(finding)
        except Exception as failure:  # noqa: BLE001 as in analyze
            reason, _ = _failure(failure, Health(), context, timedelta())
            warnings.append(f"not all of {finding.subject} can be told: {reason}")
    sure = tuple(told.get(id(finding), finding) for finding in judged.sure)
    judged = replace(judged, sure=sure, warnings=(*judged.warnings, *warnings))
    return judged, [told.get(id(finding), finding) for finding in findings]


def judge(
    settings: Settings,
    snapshot: Snapshot,
    incidents: Incidents,
    health: Mapping[str, Health],
    progress: Progress | None = None,
    covering: Callable[[Finding], bool] | None = None,
) -> Judged:
    """What the analyzers find in the snapshot's window, and what of it is certain enough.

    Hours of ``incidents`` are no part of a baseline. Where it is said what a card is ``covering``,
    nobody will read more of such a finding, nor of one that is not certain enough, than decisions
    rest on.
    """
    window, defers = snapshot.coverage.window, covering is not None
    context = Context(settings, snapshot, window, incidents, defers=defers)
    interval = timedelta(minutes=settings.interval_min)
    analyzers = [
        each
        for each in chosen(settings).analyzers
        if snapshot.coverage.events or getattr(each, "works_without_events", False)
    ]
    judged = analyze(analyzers, context, health, interval, progress)
    sure = [f for f in judged.findings if f.confidence >= settings.min_confidence]
    sure.sort(key=lambda f: (-f.priority, -f.confidence, f.type, f.subject))
    judged = replace(judged, sure=tuple(sure))
    return judged if covering is None else _told(judged, covering, context, health, interval)


def _told(
    judged: Judged,
    covering: Callable[[Finding], bool],
    context: Context,
    health: Mapping[str, Health],
    interval: timedelta,
) -> Judged:
    """What was judged, where no card is covering it with all that there is to say of it."""
    told: dict[int, Finding] = {}
    for finding in judged.sure:
        try:
            told[id(finding)] = finding if covering(finding) else whole(finding)
        except Exception as failure:  # noqa: BLE001 as in analyze
            name = finding.analyzer
            if name in judged.health:
                continue
            reason, after = _failure(failure, health.get(name, Health()), context, interval)
            warning = f"analyzer {name} failed: {reason}"
            judged = replace(
                judged,
                findings=tuple(f for f in judged.findings if f.analyzer != name),
                warnings=(*judged.warnings, warning),
                health={**judged.health, name: after},
            )
    failed = {f.analyzer for f in judged.sure if id(f) not in told}
    left = tuple(told[id(f)] for f in judged.sure if f.analyzer not in failed)
    return replace(judged, sure=left)


def _failure(
    failure: Exception, before: Health, context: Context, interval: timedelta
) -> tuple[str, Health]:
    """What an analyzer failed for, and its health after that."""
    words = str(failure).splitlines()
    reason = context.redacted(f"{type(failure).__name__}: {words[0] if words else ''}")
    return reason, before.failed(reason, context.window.end, interval)


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
            reason, after[analyzer.name] = _failure(failure, before, context, interval)
            warnings.append(f"analyzer {analyzer.name} failed: {reason}")
            continue
        after.pop(analyzer.name, None)
        findings.extend(analysis.findings)
        abstained.extend(analysis.abstained)
        notices.extend(analysis.notices)
    return Judged(tuple(findings), (), tuple(abstained), tuple(warnings), after, tuple(notices))


def _cards_of(journal: Journal) -> Iterator[Card]:
    """The cards, read when the first is asked for, as hardly ever happens."""
    yield from journal.brief().values()


def incidents_of(
    each: Each,
    settings: Settings,
    state: SchedulerState,
    now: datetime,
) -> Incidents:
    """The incidents of the baseline, of the cards that ``each`` hands on one by one.

    A later card overrules an earlier one of the same id, so that nobody need hold them all.
    """
    window = timedelta(minutes=settings.window_min)
    since = now - timedelta(days=settings.baseline_days) - window
    found: dict[str, tuple[str, Interval]] = {}

    def take(card: Card) -> None:
        found.pop(card.id, None)
        shown = ledger.overlaid(card, state.sightings.get(card.id))
        interval = incident_of(shown, window, since)
        if interval is not None:
            found[card.id] = (card.fingerprint, interval)

    each(take)
    incidents: dict[str, list[Interval]] = {}
    for fingerprint, interval in found.values():
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


def decide(
    settings: Settings,
    judged: Judged,
    stored: Mapping[str, Card],
    state: SchedulerState,
    now: datetime,
) -> tuple[Decision, ...]:
    """What becomes of each finding, given the cards and the quota. Writes nothing."""
    saves = quota.reconcile(state.saves, stored.values(), now)
    left = quota.remaining(saves, now, settings.max_per_hour)
    room, limit = ledger.room(settings.max_tasks, left)
    rooms = {
        name: quota.remaining(quota.of(saves, name), now, most)
        for name, most in settings.analyzer_max_per_hour
    }
    known = ledger.overlay(stored, state.sightings)
    return ledger.decide(judged.sure, known, now, room, limit, rooms, judged.mutes)


def _save(
    settings: Settings,
    journal: Journal,
    judged: Judged,
    state: SchedulerState,
    now: datetime,
) -> tuple[tuple[Decision, ...], tuple[Card, ...], dict[str, Card]]:
    """Decide on the cards as they are under the write lock, and make the outcome durable.

    Returns the decisions, the cards whose problem is over, and all cards as they then are: reading
    a large journal again would take long.
    """
    with journal.writing() as writer:
        cards = writer.brief(_is_found(judged))
        decisions = decide(settings, judged, cards, state, now)
        told = _related(judged, decisions, cards, state.sightings, now)
        decisions = _relating(decisions, told)
        lines = [ledger.apply(decision, now) for decision in decisions]
        ended = tuple(follow_up.ended(judged.watches, cards, _found(judged), state, now))
        written = [card for card in (*lines, *ended) if card is not None]
        writer.append(written)
        return decisions, ended, cards | {card.id: card for card in written}


def _found(judged: Judged) -> frozenset[str]:
    return frozenset(finding.fingerprint for finding in judged.sure)


def _is_found(judged: Judged) -> Callable[[Card], bool]:
    """Whether a card may be written again: that of one of the findings, or one that is over."""
    found, proven = _found(judged), judged.proven
    return lambda card: card.fingerprint in found or card.id in proven


def _reported(
    report: RunReport, judged: Judged, decisions: Sequence[Decision], ended: Sequence[Card]
) -> RunReport:
    by_action = {action: [d for d in decisions if d.action is action] for action in Action}
    saved, deferred = by_action[Action.SAVE], by_action[Action.DEFER]
    covered = by_action[Action.TOUCH] + by_action[Action.RENEW] + by_action[Action.SUPPRESS]
    reopened = by_action[Action.REOPEN]
    over = [card for card in ended if card.text("completedBy") == GENERATED_BY]
    muted = sum(decision.reason == ledger.MUTED for decision in decisions)
    return replace(
        report,
        message=report.message or _message(saved, reopened, deferred, over, muted, report),
        rate_limited=any(d.reason in _QUOTAS for d in deferred),
        generated=len(judged.findings),
        filtered=len(judged.sure),
        saved=len(saved),
        covered=len(covered),
        deferred=len(deferred),
        muted=muted,
        reopened=len(reopened),
        abstained=judged.abstained,
        decisions=tuple(decisions),
        completed=len(over),
        tasks=tuple(d.card for d in saved if d.card is not None),
    )


def _message(
    saved: Sequence[Decision],
    reopened: Sequence[Decision],
    deferred: Sequence[Decision],
    over: Sequence[Card],
    muted: int,
    report: RunReport,
) -> str:
    verb = "to save" if report.dry_run else "saved"
    words = f"{'Dry run' if report.dry_run else 'Analysis complete'}: {_tasks(len(saved))} {verb}"
    words += _of_incidents([decision.card for decision in saved if decision.card is not None])
    if reopened:
        words += f", {len(reopened)} reopened"
    if over:
        words += f", {len(over)} completed"
    if deferred:
        reasons = {decision.reason for decision in deferred}
        limits = " and the ".join(words for reason, words in _LIMITS.items() if reason in reasons)
        words += f", {len(deferred)} held back by the {limits}"
    if muted:
        words += f", {muted} muted"
    return words


def _of_incidents(saved: Sequence[Card]) -> str:
    """How many incidents the saved cards are of, if they are."""
    firsts = [first for card in saved if (first := related.names_first(card)) is not None]
    many = len(set(firsts))
    if not many:
        return ""
    if len(saved) == 1:
        return ", one more symptom of an incident"
    incidents = "one incident" if many == 1 else f"{many} incidents"
    return f", {incidents}" if len(firsts) == len(saved) else f", {len(firsts)} of {incidents}"


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def seen(
    state: SchedulerState,
    judged: Judged,
    decisions: Sequence[Decision],
    cards: Mapping[str, Card] | None,
    now: datetime,
    *,
    measures: bool = True,
) -> SchedulerState:
    """The state that the next cycle's decisions rest on: saves, health, sightings; and, if it
    ``measures``, what people will want to see of the problems.

    Where nothing was found the ``cards`` were not looked at: the next run that finds something
    learns from them what this one may have missed.
    """
    if cards is None:
        return replace(state, saves=quota.recent(state.saves, now), analyzers=judged.health)
    sightings = ledger.sightings(state.sightings, decisions, cards, now, measures=measures)
    told = _related(judged, decisions, cards, sightings, now)
    return replace(
        state,
        saves=quota.reconcile(state.saves, cards.values(), now),
        analyzers=judged.health,
        sightings=related.remembered(sightings, told, cards),
    )


def _after(
    state: SchedulerState,
    report: RunReport,
    judged: Judged,
    decisions: Sequence[Decision],
    ended: Sequence[Card],
    cards: Mapping[str, Card] | None,
    now: datetime,
) -> SchedulerState:
    """The sidecar after a cycle; it is given the state as of the write lock."""
    state = seen(state, judged, decisions, cards, now)
    if judged.followed_up is not None:
        anew = {d.card.id for d in decisions if d.card and d.action in _WRITTEN}
        done = anew | {card.id for card in ended}
        kept = follow_up.remembered(state.watches, judged.followed_up, now)
        kept = {key: each for key, each in kept.items() if key not in done}
        state = replace(state, watches=kept)
    abstentions: dict[str, int] = {}
    for abstention in report.abstained:
        abstentions[abstention.analyzer] = abstentions.get(abstention.analyzer, 0) + 1
    return replace(
        state,
        total_runs=state.total_runs + 1,
        total_generated=state.total_generated + report.generated,
        total_saved=state.total_saved + report.saved,
        errors=state.errors + len(judged.warnings),
        last_run_duration_ms=report.duration_ms,
        last_run_at=now,
        pause=state.pause.as_of(now) if state.pause else None,
        abstentions=abstentions,
        last_error="",
        last_event_at=max(
            (at for at in (state.last_event_at, report.newest_event) if at and at <= now),
            default=None,
        ),
        runs_without_events=0 if report.events_analyzed else state.runs_without_events + 1,
        deferred=report.deferred,
        muted=report.muted,
    )


def _count_failure(settings: Settings, now: datetime, reason: str) -> None:
    """Failures are counted where that is possible; the failure itself is what must be told."""
    try:
        Sidecar(settings.tasks_dir).update(
            lambda s: replace(
                s,
                total_runs=s.total_runs + 1,
                errors=s.errors + 1,
                last_run_at=now,
                last_error=reason,
            )
        )
    except TgtError:
        return

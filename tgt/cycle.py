"""One cycle, in nine steps: lock, read, analyze, filter, sort, quota, ledger, journal, sidecar.

Cards are durable before the quota is: a crash in between may repeat work, never lose it. A cycle
takes the time as an argument; it looks at a clock only to say how long it took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from tgt import follow_up, mutes
from tgt.analyzers.base import Context
from tgt.analyzers.registry import chosen
from tgt.completing import completed, decide
from tgt.config import Settings
from tgt.engine.protocol import Progress
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.errors import SettingsError, TgtError
from tgt.judging import Judged, incidents_of, judge, sayable, window_of
from tgt.lookback import Older, no_events
from tgt.outcome import RunReport, SkipReason
from tgt.store import locks
from tgt.store.journal import Journal
from tgt.store.state_file import Sidecar
from tgt.tasks import ledger, quota, related, reputation
from tgt.tasks.card import GENERATED_BY, Card, format_time
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.mute import Mutes
from tgt.tasks.state import SchedulerState, Sighting
from tgt.tasks.verdict import is_by_tgt

_QUOTAS = frozenset({ledger.QUOTA, ledger.ANALYZER_QUOTA})
_LIMITS = {
    ledger.QUOTA: "hourly quota",
    ledger.MAX_TASKS: "task limit",
    ledger.ANALYZER_QUOTA: "hourly quota of their analyzers",
}
_COVERS = ledger.WRITES | {Action.TOUCH}


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
        yield not locks.is_locked(settings.tasks_dir / locks.RUN_LOCK)
        return
    with locks.try_lock(settings.tasks_dir / locks.RUN_LOCK, with_directory=True) as alone:
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
        decisions = decide(settings, sayable(judged, stored.values()), stored, state, now)
        entries = _related(judged, decisions, stored, state.sightings, now)
        decisions = _relating(decisions, entries)
    elif judged.sure or judged.proven:
        decisions, ended, stored = _save(settings, journal, judged, state, now)
    report = _reported(report, judged, decisions, ended)
    if settings.reputation and report.tasks and stored is not None:
        records = reputation.of(stored.values(), now)
        report = replace(report, tasks=tuple(reputation.marked(c, records) for c in report.tasks))
    report = replace(report, duration_ms=_since(started))
    if not dry_run:
        sidecar.update(lambda s: _after(s, report, judged, decisions, ended, stored, now))
    return report


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)


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
    each_card = journal.each if dry_run else follow_up.remembering(journal.each, watched, now)
    incidents = incidents_of(each_card, settings, state, now)  # before the engine takes memory
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
            every_warning = tuple(dict.fromkeys((*judged.warnings, *after.failed)))
            judged = replace(judged, followed_up=after, warnings=every_warning)
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
    overlaid = ledger.overlay(cards, sightings) | decided
    return related.related(judged.incidents, mine, overlaid, now)


def _relating(
    decisions: Sequence[Decision], entries: Mapping[str, Sequence[related.Entry]]
) -> tuple[Decision, ...]:
    """The decisions, with cards that name each other."""
    return tuple(
        replace(d, card=related.with_related(d.card, entries[d.card.id]))
        if d.card is not None and d.card.id in entries
        else d
        for d in decisions
    )


def _cards_of(journal: Journal) -> Iterator[Card]:
    """The cards, read when the first is asked for, as hardly ever happens."""
    yield from journal.brief().values()


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
        decisions = decide(settings, sayable(judged, cards.values()), cards, state, now)
        entries = _related(judged, decisions, cards, state.sightings, now)
        decisions = _relating(decisions, entries)
        lines = [ledger.apply(decision, now) for decision in decisions]
        ended = tuple(follow_up.ended(judged.watches, cards, _fingerprints(judged), state, now))
        written = [card for card in (*lines, *ended) if card is not None]
        writer.append(written)
        return decisions, ended, cards | {card.id: card for card in written}


def _fingerprints(judged: Judged) -> frozenset[str]:
    return frozenset(finding.fingerprint for finding in judged.sure)


def _is_found(judged: Judged) -> Callable[[Card], bool]:
    """Whether a card may be written again: that of one of the findings, or one that is over."""
    fingerprints, proven = _fingerprints(judged), judged.proven
    return lambda card: card.fingerprint in fingerprints or card.id in proven


def _reported(
    report: RunReport, judged: Judged, decisions: Sequence[Decision], ended: Sequence[Card]
) -> RunReport:
    by_action = {action: [d for d in decisions if d.action is action] for action in Action}
    saved, deferred = by_action[Action.SAVE], by_action[Action.DEFER]
    covered = by_action[Action.TOUCH] + by_action[Action.RENEW] + by_action[Action.SUPPRESS]
    reopened = by_action[Action.REOPEN]
    over = [card for card in ended if card.text("completedBy") == GENERATED_BY]
    muted = sum(decision.reason == ledger.MUTED for decision in decisions)
    approved = sum(d.card is not None and is_by_tgt(d.card) for d in saved)
    return replace(
        report,
        message=report.message
        or _message(saved, approved, reopened, deferred, over, muted, report),
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
        approved=approved,
        tasks=tuple(d.card for d in saved if d.card is not None),
    )


def _message(
    saved: Sequence[Decision],
    approved: int,
    reopened: Sequence[Decision],
    deferred: Sequence[Decision],
    over: Sequence[Card],
    muted: int,
    report: RunReport,
) -> str:
    verb = "to save" if report.dry_run else "saved"
    words = f"{'Dry run' if report.dry_run else 'Analysis complete'}: {_tasks(len(saved))} {verb}"
    if approved:
        words += f", {approved} of them {'to be ' if report.dry_run else ''}approved by tgt"
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
    entries = _related(judged, decisions, cards, sightings, now)
    return replace(
        state,
        saves=quota.reconcile(state.saves, cards.values(), now),
        analyzers=judged.health,
        sightings=related.remembered(sightings, entries, cards),
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
        anew = {d.card.id for d in decisions if d.card and d.action in ledger.WRITES}
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

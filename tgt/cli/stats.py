"""``tgt stats``: how generation is doing, and what became of the tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgt.cli.tasks import warn_of_skipped

if TYPE_CHECKING:
    from tgt.cli.request import Request


def stats(request: Request) -> None:
    """Show counters, quota, health and task statistics."""
    from tgt import diagnostics, mutes, schedule
    from tgt.output import overview
    from tgt.store import locks
    from tgt.tasks import auto_approval, quota, reputation, statistics

    settings, now = request.settings(), request.now
    content = request.journal().read(statistics.counted)
    warn_of_skipped(request, content.skipped_lines)
    cards = content.cards.values()
    state, warnings = request.sidecar().read(cards)
    muted = mutes.if_readable(settings.tasks_dir, now)
    for warning in (*warnings, *filter(None, [muted.warning])):
        diagnostics.warn(warning)
    saves = quota.reconcile(state.saves, cards, now)
    pause = state.pause.as_of(now) if state.pause is not None else None
    active = settings.enabled and pause is None
    view = overview.Overview(
        now=now,
        settings=settings,
        state=state,
        due=schedule.due(state.last_run_at, settings.interval_min, now, active=active),
        pause=pause,
        is_running=locks.is_locked(settings.tasks_dir / locks.RUN_LOCK),
        saved=quota.used(saves, now),
        remaining=quota.remaining(saves, now, settings.max_per_hour),
        next_free=quota.next_free(saves, now, settings.max_per_hour),
        quotas={
            name: overview.Quota(
                most,
                quota.used(own := quota.of(saves, name), now),
                quota.remaining(own, now, most),
                quota.next_free(own, now, most),
            )
            for name, most in settings.analyzer_max_per_hour
        },
        mutes=len(muted.mutes),
        muted_tasks=sum(
            c.is_open and muted.mutes.covering(c.subject, c.type, c.analyzer) is not None
            for c in cards
        ),
        tasks=statistics.summarize(cards),
        funnels={days: statistics.funnel(cards, now, days) for days in (7, 30)},
        verdicts=statistics.verdicts(cards),
        auto_approved=auto_approval.in_last_day(cards, now),
        approvable=sorted(
            (kind, count.approved)
            for kind, count in auto_approval.counts(cards).items()
            if count.qualifies
        ),
        records=reputation.of(cards, now).records if settings.reputation else (),
    )
    if request.json:
        request.reply_json(overview.document(view))
        return
    from tgt.output import stats_view

    request.reply(stats_view.stats(request.screen, view))

"""What becomes of findings, and what is told of those that become cards.

Words, samples, changes, versions, criteria and incidents are asked for where a card is written, and
nowhere else. What cannot be told keeps nobody from being told of the problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from tgt.analyzers import incidents
from tgt.analyzers.base import Context
from tgt.analyzers.builder import with_samples
from tgt.analyzers.changes import with_changes, with_versions
from tgt.analyzers.criteria import with_before
from tgt.analyzers.deferred import whole
from tgt.analyzers.masking import masked
from tgt.analyzers.registry import chosen
from tgt.config import Settings
from tgt.engine.protocol import Timeline
from tgt.errors import TgtError
from tgt.judging import Judged, worded
from tgt.store.marks_file import MarksFile
from tgt.tasks import auto_approval, ledger, quota, related, reputation
from tgt.tasks.card import Card, Finding
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.state import SchedulerState


def decide(
    settings: Settings,
    judged: Judged,
    stored: Mapping[str, Card],
    state: SchedulerState,
    now: datetime,
) -> tuple[Decision, ...]:
    """What becomes of each finding, given the cards and the quota, and which of the new cards are
    approved at once. Writes nothing."""
    saves = quota.reconcile(state.saves, stored.values(), now)
    left = quota.remaining(saves, now, settings.max_per_hour)
    room, limit = ledger.room(settings.max_tasks, left)
    rooms = {
        name: quota.remaining(quota.of(saves, name), now, most)
        for name, most in settings.analyzer_max_per_hour
    }
    overlaid = ledger.overlay(stored, state.sightings)
    findings = _best_first(judged.sure, stored, now) if settings.reputation else judged.sure
    decisions = ledger.decide(findings, overlaid, now, room, limit, rooms, judged.mutes)
    return auto_approval.approved(decisions, stored, now, settings.auto_approve)


def _best_first(
    findings: Sequence[Finding], stored: Mapping[str, Card], now: datetime
) -> Sequence[Finding]:
    """The findings in the order of their priorities as they are shown, which decides who goes
    without where the quota is small."""
    if len(findings) <= 1:
        return findings
    records = reputation.of(stored.values(), now)

    def key(finding: Finding) -> tuple[float, float, str, str]:
        about = (str(finding.severity), finding.analyzer, finding.subject)
        left = records.lowered(finding.priority, *about)
        return -left, -finding.confidence, finding.type, finding.subject

    return sorted(findings, key=key)


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
    Of what an open card covers nothing more is asked.

    The texts are read again from the telemetry, which would be in vain for what a card covers.
    """
    judged = worded(settings, judged, stored.values(), state.analyzers, now)
    decisions = decide(settings, judged, stored, state, now)
    if context is not None and any(d.reason == ledger.CAME_BACK for d in decisions):
        judged = _by_version(context, judged, decisions)
        decisions = decide(settings, judged, stored, state, now)
    written = {d.finding.fingerprint for d in decisions if d.action in ledger.WRITES}
    chosen_findings = [f for f in judged.sure if f.fingerprint in written]
    if context is not None:
        analyzers = chosen(settings).analyzers
        judged, chosen_findings = _each_with(
            context, judged, chosen_findings, lambda f: with_before(analyzers, context, whole(f))
        )
        judged, chosen_findings = _with_changes(context, judged, chosen_findings)
        judged = _with_incidents(context, judged, decisions, now) if written else judged
    samples = iter(timeline.complete([s for f in chosen_findings for s in f.examples]))
    with_texts = {
        id(finding): masked(
            with_samples(finding, tuple(islice(samples, len(finding.examples))), settings.masked),
            settings.masked,
        )
        for finding in chosen_findings
    }
    sure = tuple(with_texts.get(id(finding), finding) for finding in judged.sure)
    return replace(judged, sure=sure)


def _by_version(context: Context, judged: Judged, decisions: Sequence[Decision]) -> Judged:
    """What was judged, with the versions of what came back since its card was completed."""
    back = {id(d.finding): d.card for d in decisions if d.card and d.reason == ledger.CAME_BACK}

    def by_version(finding: Finding) -> Finding:
        card = back.get(id(finding), Card({}))
        completed = card.time("completedAt") or card.time("updatedAt")
        if completed is None:
            return finding
        return with_versions(context, whole(finding), completed, card.time("firstSeenAt"))

    return _each_with(context, judged, judged.sure, by_version)[0]


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

    def changed(finding: Finding) -> Finding:
        return with_changes(context, finding, marks)

    return _each_with(context, judged, findings, changed)


def _with_incidents(
    context: Context, judged: Judged, decisions: Sequence[Decision], now: datetime
) -> Judged:
    """What was judged, and which of the problems that are new, or have a young card, belong
    together."""
    cards = {d.finding.fingerprint: d.card for d in decisions if d.card is not None}
    about = {
        d.finding.fingerprint
        for d in decisions
        if d.action in ledger.WRITES or (d.action is Action.TOUCH and related.is_young(d.card, now))
    }
    findings = [finding for finding in judged.sure if finding.fingerprint in about]
    try:
        pairs = related.pairs(cards.values())
        together = incidents.incidents(context.snapshot, context.window, findings, pairs)
    except Exception as failure:  # noqa: BLE001 as in analyze
        warning = f"which problems belong together cannot be told: {context.reason(failure)}"
        return replace(judged, warnings=(*judged.warnings, warning))
    return replace(judged, incidents=together)


def _each_with(
    context: Context,
    judged: Judged,
    findings: Sequence[Finding],
    more: Callable[[Finding], Finding],
) -> tuple[Judged, list[Finding]]:
    """What was judged, and findings of it, with more that is told of each; what cannot be told for
    whatever reason keeps nobody from being told of the problem."""
    completed: dict[int, Finding] = {}
    warnings = []
    for finding in findings:
        try:
            completed[id(finding)] = more(finding)
        except Exception as failure:  # noqa: BLE001 as in analyze
            reason = context.reason(failure)
            warnings.append(f"not all of {finding.subject} can be told: {reason}")
    sure = tuple(completed.get(id(finding), finding) for finding in judged.sure)
    judged = replace(judged, sure=sure, warnings=(*judged.warnings, *warnings))
    return judged, [completed.get(id(finding), finding) for finding in findings]

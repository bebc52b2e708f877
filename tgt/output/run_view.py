"""``tgt run`` for people: one line for a log, and each finding's fate where somebody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.outcome import Abstention, RunReport
from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks.ledger import Action, Decision
from tgt.tasks.reference import Ids
from tgt.tasks.verdict import is_by_tgt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType


_FATES = {
    Action.SAVE: "saved",
    Action.TOUCH: "covered",
    Action.RENEW: "renewed",
    Action.SUPPRESS: "quiet",
    Action.REOPEN: "reopened",
    Action.DEFER: "held back",
}
_FATE_STYLE = {Action.SAVE: "green", Action.REOPEN: "yellow", Action.RENEW: "yellow"}
_ABSTENTIONS = 8
_NAMED, _NAME = 20, 100


def run(on: text.Screen, report: RunReport, known: Iterable[str] = ()) -> str:
    """The outcome; ``known`` are the ids of the journal, so that short ones are unambiguous."""
    chosen = [decision.card.id for decision in report.decisions if decision.card is not None]
    ids = Ids([*known, *chosen])
    if not on.terminal and not report.dry_run:
        return summary(report, ids)
    parts: list[RenderableType] = [text.styled(report.message, "bold")]
    if report.skipped is None:
        parts.append(Text(_counts(report), style="dim"))
    if report.decisions:
        parts += [Text(), _decisions(report.decisions, ids, dry_run=report.dry_run)]
    if report.abstained:
        parts += [Text(), *_abstained(report.abstained)]
    if report.saved and not report.dry_run:
        parts += [Text(), Text("Next: tgt list", style="dim")]
    return text.render(on, *parts)


def summary(report: RunReport, ids: Ids) -> str:
    """One line for a log, which names the tasks that are saved."""
    counts = f" ({_counts(report)})" if report.skipped is None else ""
    named = [
        f"{ids.short(task.id)} {task.severity} {task.subject or task.title}"
        + (" (approved by tgt)" if is_by_tgt(task) else "")
        for task in report.tasks[:_NAMED]
    ]
    more = len(report.tasks) - len(named)
    named += [f"{more} more"] if more else []
    tasks = f"; {', '.join(safe(name, limit=_NAME) for name in named)}" if named else ""
    return f"{safe(report.message)}{counts}{tasks}\n"


def _counts(report: RunReport) -> str:
    took = words.milliseconds(report.duration_ms)
    parts = [
        f"{words.plural(report.events_analyzed, 'event')} in {took}",
        f"{report.filtered} of {words.plural(report.generated, 'finding')} certain enough",
    ]
    for number, what in (
        (report.covered - report.quiet - report.muted, "covered"),
        (report.quiet, "kept quiet"),
        (report.muted, "muted"),
        (report.reopened, "reopened"),
        (report.completed, "completed, since their problems are over"),
        (report.deferred, "held back"),
    ):
        if number:
            parts.append(f"{number} {what}")
    if report.malformed_lines:
        parts.append(words.plural(report.malformed_lines, "malformed line"))
    return ", ".join(parts)


def _decisions(decisions: Iterable[Decision], ids: Ids, *, dry_run: bool) -> RenderableType:
    rows = text.grid("", "", "dim", "")
    for decision in decisions:
        fate = _FATES.get(decision.action, str(decision.action))
        new = decision.action is Action.SAVE
        is_there = decision.card is not None and not (dry_run and new)
        name = ids.short(decision.card.id) if decision.card is not None and is_there else ""
        reason = words.REASONS.get(decision.reason, decision.reason)
        title = text.styled(_title(decision))
        if new and decision.card is not None and is_by_tgt(decision.card):
            reason = "would be approved by tgt" if dry_run else "approved by tgt"
        if reason:
            title.append(f"  ({safe(reason)})", style="dim")
        rows.add_row(
            Text(
                f"would be {fate}" if dry_run else fate,
                style=_FATE_STYLE.get(decision.action, "dim"),
                no_wrap=True,
            ),
            text.severity(str(decision.finding.severity)),
            text.styled(name, limit=40),
            title,
        )
    return rows


def _title(decision: Decision) -> str:
    """What the problem is called: as on its card, where that says it already. What a finding would
    say then, nobody has asked the telemetry, which is closed by now."""
    if decision.card is not None and decision.action in {Action.TOUCH, Action.SUPPRESS}:
        return decision.card.title
    return decision.finding.title


def _abstained(abstentions: Iterable[Abstention]) -> Iterable[RenderableType]:
    every = list(abstentions)
    yield Text(f"Not judged, for lack of data: {len(every)}", style="dim")
    rows = text.grid("dim", "dim", "dim")
    for abstention in every[:_ABSTENTIONS]:
        rows.add_row(
            text.styled(abstention.analyzer, limit=40),
            text.styled(abstention.subject, limit=80),
            text.styled(abstention.reason, limit=120),
        )
    yield text.indented(rows)
    if len(every) > _ABSTENTIONS:
        yield text.indented(Text(f"and {len(every) - _ABSTENTIONS} more, with --json", style="dim"))

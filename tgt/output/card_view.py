"""``tgt show`` for people: the problem, its evidence, what to do, and what happened so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import (
    changes_view,
    evidence_view,
    mutes_view,
    related_view,
    text,
    verify_view,
    words,
)
from tgt.output.safe import safe
from tgt.tasks import proposal
from tgt.tasks.card import GENERATED_BY, Card, Status, parse_time
from tgt.tasks.changes import UNDONE
from tgt.tasks.mute import KEY, Mute
from tgt.tasks.reputation import KEY as REPUTATION
from tgt.tasks.verdict import is_by_tgt

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

_LIST_LIMIT = 50


def card(
    on: text.Screen,
    task: Card,
    now: datetime,
    others: Mapping[str, Card] | None = None,
    *,
    among_others: bool = False,
) -> str:
    """One card with all its evidence; whatever a card lacks is left out. ``others`` are those that
    it names, by id. ``among_others`` it is shown beside a list, where keys stand for commands: with
    a larger chart, and without what to type."""
    sections = (
        list(_head(task, now)),
        list(_description(task)),
        list(evidence_view.evidence(task, now, on.readable if among_others else 0)),
        list(evidence_view.samples(task)),
        list(changes_view.changes(task)),
        list(related_view.related(task, others or {})),
        list(_fix(task)),
        list(_acceptance(task)),
        list(_events(task, now)),
        [] if among_others else list(_commands(task)),
    )
    parts: list[RenderableType] = []
    for section in sections:
        if section and parts:
            parts.append(Text())
        parts.extend(section)
    return text.render(on, *parts, width=on.readable)


def _head(task: Card, now: datetime) -> Iterator[RenderableType]:
    task = task.current
    yield text.styled(task.title or "(no title)", "bold")
    yield Text.assemble(
        text.severity(task.severity),
        "  ",
        text.status(task.status, words.status(task)),
        f"  priority {task.priority:.0f}  confidence {words.confidence(task.confidence)}",
    )
    facts = text.grid("dim", "")
    for label, value, limit in (
        ("id", task.id, 4000),
        ("about", task.subject, 4000),
        ("type", task.type, 4000),
        ("priority", priority(task) if task.data.get(REPUTATION) else "", 400),
        ("owner", task.owner, 100),
        *(("link", link, 4000) for link in text_list(task.data.get("links"))),
    ):
        if value or label == "id":
            facts.add_row(label, text.styled(value, limit=limit))
    if seen := _seen(task, now):
        facts.add_row("seen", seen)
    if mute := muted(task):
        facts.add_row("muted", text.styled(mutes_view.of_card(mute), limit=800))
    if quiet := task.time("quietSince"):
        facts.add_row("quiet", f"since {words.clock(quiet)}")
    if verification := task.mapping("verification"):
        facts.add_row("its end", verify_view.in_words(verification))
    if (proposed := proposal.standing(task)) is not None:
        facts.add_row("proposed", text.styled(proposal_in_words(proposed), limit=500))
    yield facts


def muted(task: Card) -> Mute | None:
    """What mutes an open card, if anything does."""
    return Mute.of({**task.mapping(KEY), "muted": True}) if task.is_open else None


def priority(task: Card) -> str:
    """The priority; where people's verdicts have lowered it, also what it would be, and why."""
    left, why = f"{task.priority:.0f}", Card(task.mapping(REPUTATION))
    if not why.data:
        return left
    return safe(f"{left} (would be {why.number('priority'):.0f}: {dismissals(why)})", limit=400)


def dismissals(why: Card) -> str:
    """The verdicts that lower a priority, as a card that is shown has them."""
    about = f" about {family}" if (family := why.text("family")) else ""
    cards = f"{why.number('dismissed'):.0f} of {why.number('of'):.0f} cards of"
    return f"{cards} {why.text('analyzer')}{about} were dismissed"


def proposal_in_words(proposed: proposal.Proposal) -> str:
    return f"to complete it, by {proposed.by}: {proposed.text}"


def _seen(task: Card, now: datetime) -> str:
    first = task.time("firstSeenAt") or task.time("generatedAt")
    last = task.time("lastSeenAt")
    times = int(task.number("occurrences"))
    parts = [f"first {words.seen(first, now)}"] if first is not None else []
    if last is not None and last != first:
        parts.append(f"last {words.seen(last, now)}")
    if times > 0:
        parts.append(f"in {words.plural(times, 'run')}")
    return ", ".join(parts)


def _description(task: Card) -> Iterator[RenderableType]:
    if body := task.text("description"):
        yield Text(safe(body, lines=True).strip(), overflow="fold")


def _fix(task: Card) -> Iterator[RenderableType]:
    fix = task.mapping("suggestedFix")
    if not fix:
        return
    yield text.heading("Suggested fix")
    if isinstance(approach := fix.get("approach"), str) and approach:
        yield text.indented(text.styled(words.spoken(approach)))
    for change in text_list(fix.get("changes")):
        yield _bullet("-", change)
    rows = text.grid("dim", "")
    if files := text_list(fix.get("files")):
        evidence_view.row(rows, "files", ", ".join(files))
    evidence_view.row(rows, "effort", fix.get("estimatedEffort"))
    if rows.row_count:
        yield text.indented(rows)


def _acceptance(task: Card) -> Iterator[RenderableType]:
    if criteria := text_list(task.data.get("acceptanceCriteria")):
        yield text.heading("Done when")
        mark = "[x]" if task.status == Status.COMPLETED else "[ ]"
        for criterion in criteria:
            yield _bullet(mark, criterion)
        for measure in verify_view.measurable(task):
            yield text.indented(Text(f"measured: {measure}", style="dim", overflow="fold"), 6)


def _bullet(mark: str, line: str) -> RenderableType:
    rows = text.grid("dim", "", gap=1)
    rows.add_row(Text(mark), text.styled(line))
    return text.indented(rows)


_HISTORY = (
    ("generated", "generatedAt", "generatedBy"),
    ("approved", "approvedAt", "approvalNote"),
    ("dismissed", "dismissedAt", "dismissalReason"),
    ("completed", "completedAt", "completionNote"),
    ("reopened", "reopenedAt", "reopenNote"),
)


def history(task: Card) -> list[tuple[datetime, str, str]]:
    """What happened to a task, oldest first: when, what, and the words given with it.

    What people noted is said ``by`` whom, or simply noted.
    """
    notes = {what: task.text(key) for what, _, key in _HISTORY}
    if task.text("completedBy") == GENERATED_BY and not notes["completed"]:
        notes["completed"] = "by tgt, since its end holds"
    reopened = task.mapping("metadata").get("reopened")
    if isinstance(reopened, Mapping) and parse_time(reopened.get("at")) == task.time("reopenedAt"):
        reason = str(reopened.get("reason"))
        notes["reopened"] = words.REASONS.get(reason, reason)
    decided = [
        (moment, what, notes[what])
        for what, key, _ in _HISTORY
        if (moment := task.time(key)) is not None
    ]
    return sorted((*decided, *_undone(task), *_notes(task)), key=lambda entry: entry[0])


def _undone(task: Card) -> Iterator[tuple[datetime, str, str]]:
    """What was taken back last."""
    undo = Card(task.mapping(UNDONE))
    if (moment := undo.time("at")) is not None:
        yield moment, UNDONE, undo.text("text")


def _notes(task: Card) -> Iterator[tuple[datetime, str, str]]:
    for note in task.items("notes")[-_LIST_LIMIT:]:
        moment = parse_time(note.get("at")) if isinstance(note, Mapping) else None
        if moment is not None and isinstance(note.get("text"), str):
            by = note.get("by")
            yield moment, "noted", f"{note['text']} ({by})" if by else note["text"]


def _events(task: Card, now: datetime) -> Iterator[RenderableType]:
    happened = history(task)
    if not happened:
        return
    yield text.heading("So far")
    rows = text.grid("dim", "", "")
    for moment, what, note in happened:
        rows.add_row(words.clock(moment), what, text.styled(note, limit=500))
    if task.status == Status.DISMISSED and (until := task.time("dismissedUntil")):
        over = "quiet until then" if until > now else "no longer quiet"
        rows.add_row(words.clock(until), over, Text())
    yield text.indented(rows)


_OFFERED = {
    str(Status.APPROVED): ("complete", "dismiss"),
    str(Status.DISMISSED): ("reopen",),
    str(Status.COMPLETED): ("reopen",),
}


def _commands(task: Card) -> Iterator[RenderableType]:
    name = safe(task.id, limit=60)
    yield text.heading("Next")
    offered: tuple[str, ...] = _OFFERED.get(task.status, ("approve", "dismiss"))
    if is_by_tgt(task):
        offered = ("approve", *offered, "reopen")
    if proposal.standing(task) is not None:
        offered = tuple(dict.fromkeys(("complete", *offered)))
    for word in offered:
        yield text.indented(Text(f"tgt {word} {name}", style="dim", overflow="fold"))


def text_list(value: object) -> list[str]:
    """The texts of a JSON list, or of a lone text."""
    if isinstance(value, str):
        return [value] if value else []
    return [str(item) for item in value[:_LIST_LIMIT]] if isinstance(value, list) else []

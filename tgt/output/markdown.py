"""A card as Markdown for an issue tracker's body.

A body is rendered by somebody else's program, so text of the card may not become markup, HTML, a
mention, a reference or a link there. Backslashes stop markup; mentions and bare links are made
from the rendered text, so those are broken up by a zero-width space written as an entity. Samples
stand in a code block whose fence is longer than any fence inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tgt.output import changes_view, mutes_view, related_view, verify_view, words
from tgt.output.card_view import history, muted, priority, proposal_in_words, text_list
from tgt.output.evidence_view import (
    by_hour,
    details_of,
    error_texts,
    marks,
    measured,
    sample_parts,
    windows,
)
from tgt.output.safe import safe
from tgt.tasks.card import Card, Status
from tgt.tasks.proposal import standing
from tgt.tasks.related import entries

if TYPE_CHECKING:
    from datetime import datetime

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&$^])")
_LINE_START = re.compile(r"^(\s*)([-+=])")
_ORDERED = re.compile(r"^(\s*\d{1,9})([.)])(?=\s|$)")
_REFERENCE = re.compile(r"([@#!~%$&:])(?=[\w\"'\[{/])")
_LINK = re.compile(r"(www|mailto|xmpp|gh)(?=[.:-])", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[\w./%~+=?&#,;:-]*)?", re.ASCII)
_COMMIT = re.compile(r"\b[0-9a-f]{7,}\b", re.IGNORECASE)
_SHORT = re.compile(r"(.{6})(?=.)")
_BREAK = "&#8203;"
_TICKS = re.compile(r"`+")
_SAMPLES = 10


def inline(value: object, *, limit: int = 4000) -> str:
    """Text for a paragraph, a heading or a list item, on one line, that renders as itself."""
    line = " ".join(safe(value, limit=limit, lines=True).split())
    # Where the breaks go is decided on the plain text; a private mark keeps them from escaping.
    mark = "\x00"
    line = _REFERENCE.sub(rf"\1{mark}", line)
    line = _LINK.sub(rf"\1{mark}", line)
    line = _COMMIT.sub(lambda match: _SHORT.sub(rf"\1{mark}", match[0]), line)
    line = _MARKUP.sub(r"\\\1", line)
    line = (
        _ORDERED.sub(r"\1\\\2", line) if _ORDERED.match(line) else _LINE_START.sub(r"\1\\\2", line)
    )
    return line.replace(mark, _BREAK)


def code(value: object, *, limit: int = 4000) -> str:
    """A code span that holds any text."""
    line = " ".join(safe(value, limit=limit).split())
    if not line:
        return ""
    fence = "`" * (1 + max((len(run) for run in _TICKS.findall(line)), default=0))
    pad = " " if line[0] == "`" or line[-1] == "`" else ""

    return f"{fence}{pad}{line}{pad}{fence}"


def link(address: str) -> str:
    """An address that may be followed; one that holds anything unusual is only shown."""
    return f"<{address}>" if _ADDRESS.fullmatch(address) else code(address, limit=300)


def block(lines: list[str]) -> str:
    """A fenced block that no line inside can close."""
    longest = max((len(run) for line in lines for run in _TICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def card(task: Card, now: datetime, others: Mapping[str, Card] | None = None) -> str:
    """The whole document; what a card lacks is left out. ``others`` are those that it names, by
    id."""
    task = task.current
    sections = [
        f"# {inline(task.title or '(no title)', limit=500)}",
        _facts(task, now),
        *_paragraphs(task.text("description")),
        *_evidence(task),
        *_samples(task),
        *_changes(task),
        *_related(task, others or {}),
        *_fix(task),
        *_acceptance(task),
        _signature(task),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _signature(task: Card) -> str:
    when = words.clock(task.time("generatedAt"))
    writer = code(task.text("generatedBy") or "tgt", limit=80)
    return f"Task {code(task.id, limit=200)}, generated {when} by {writer}."


def _facts(task: Card, now: datetime) -> str:
    facts = [
        f"**Severity:** {inline(task.severity or '?', limit=40)}",
        f"**Priority:** {inline(priority(task))}",
        f"**Confidence:** {words.confidence(task.confidence)}",
        f"**Status:** {inline(words.status(task) or '?', limit=40)}",
        f"**Type:** {code(task.type or '?', limit=80)}",
    ]
    if task.subject:
        facts.append(f"**About:** {code(task.subject, limit=300)}")
    if task.owner:
        facts.append(f"**Owner:** {inline(task.owner, limit=100)}")
    facts += [f"**Link:** {link(address)}" for address in text_list(task.data.get("links"))]
    first = task.time("firstSeenAt") or task.time("generatedAt")
    facts.append(f"**First seen:** {words.clock(first)}")
    if last := task.time("lastSeenAt"):
        facts.append(f"**Last seen:** {words.clock(last)}")
    if mute := muted(task):
        facts.append(f"**Muted:** {inline(mutes_view.of_card(mute), limit=800)}")
    if quiet := task.time("quietSince"):
        facts.append(f"**Quiet since:** {words.clock(quiet)}")
    if verification := task.mapping("verification"):
        facts.append(f"**Its end:** {inline(verify_view.sentence(verification), limit=400)}")
    if (proposed := standing(task)) is not None:
        facts.append(f"**Proposed:** {inline(proposal_in_words(proposed), limit=500)}")
    if times := int(task.number("occurrences")):
        facts.append(f"**Seen in:** {words.plural(times, 'run')}")
    facts += [
        f"**{what.capitalize()}:** {words.clock(moment)}"
        + (f", {inline(note, limit=500)}" if note else "")
        for moment, what, note in history(task)
        if what != "generated"
    ]
    if task.status == Status.DISMISSED and (until := task.time("dismissedUntil")):
        facts.append(f"**Quiet until:** {words.clock(until)}" + ("" if until > now else " (over)"))
    return "\n".join(f"- {fact}" for fact in facts)


def _paragraphs(body: str) -> Iterator[str]:
    for line in body.splitlines():
        if paragraph := inline(line):
            yield paragraph


def _evidence(task: Card) -> Iterator[str]:
    evidence = task.mapping("evidence")
    if not evidence:
        return
    yield "## Evidence"
    details = details_of(task)
    lines = []
    for label, value in (
        ("Measured", words.spoken(evidence.get("metric"))),
        ("Window", evidence.get("timeWindow")),
        *measured(task),
        ("Windows", windows(details)),
        ("Errors", "; ".join(error_texts(details))),
        ("Rule", details.get("rule")),
        ("Enough", details.get("enough")),
    ):
        if isinstance(value, str) and value:
            lines.append(f"- **{label}:** {inline(value)}")
    if bars := by_hour(details):
        beside = marks(details)
        shown = f"`{bars.replace(' ', '·')}`" + (f" ({beside})" if beside else "")
        lines.append(f"- **By hour:** {shown}")
    if lines:
        yield "\n".join(lines)


def _samples(task: Card) -> Iterator[str]:
    samples = task.mapping("evidence").get("samples")
    if not isinstance(samples, list) or not samples:
        return
    lines = [
        safe("  ".join(part for part in sample_parts(sample, task.subject) if part), limit=400)
        for sample in samples[:_SAMPLES]
    ]
    yield "## Samples"
    yield block(lines)


def _related(task: Card, others: Mapping[str, Card]) -> Iterator[str]:
    related = entries(task)
    if not related:
        return
    yield f"## {related_view.TITLE}"
    if first := related_view.leading(task):
        yield first
    yield "\n".join(
        f"- {inline(related_view.name(each, others), limit=200)} ({code(each['id'], limit=80)})"
        + (f": {beside}" if (beside := related_view.beside(each)) else "")
        for each in related
    )


def _changes(task: Card) -> Iterator[str]:
    if lines := changes_view.lines_of(task):
        yield f"## {changes_view.TITLE}"
        yield "\n".join(f"- {inline(line, limit=500)}" for line in lines)


def _fix(task: Card) -> Iterator[str]:
    fix = task.mapping("suggestedFix")
    if not fix:
        return
    yield "## Suggested fix"
    if approach := fix.get("approach"):
        yield inline(words.spoken(approach) or approach)
    lines = [f"- {inline(change)}" for change in text_list(fix.get("changes"))]
    lines += [f"- {code(name, limit=300)}" for name in text_list(fix.get("files"))]
    if effort := fix.get("estimatedEffort"):
        lines.append(f"- Effort: {inline(effort, limit=80)}")
    if lines:
        yield "\n".join(lines)


def _acceptance(task: Card) -> Iterator[str]:
    criteria = text_list(task.data.get("acceptanceCriteria"))
    if criteria:
        mark = "x" if task.status == Status.COMPLETED else " "
        yield "## Done when"
        lines = [f"- [{mark}] {inline(criterion)}" for criterion in criteria]
        lines += [f"- Measured: {inline(measure)}" for measure in verify_view.measurable(task)]
        yield "\n".join(lines)

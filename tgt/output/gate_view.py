"""``tgt gate`` for people, and for the log of a job: what is new, or what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.gate import Change, Gate, Outcome
from tgt.output import text, words
from tgt.output.gate_words import message, places
from tgt.tasks.reference import Ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

    from tgt.gate import Problem

_STYLES = {Outcome.PASSED: "bold green", Outcome.FAILED: "bold red", Outcome.UNKNOWN: "bold yellow"}
_PROBLEMS, _SAMPLES, _ANALYZERS = 50, 1, 20
_WHY = {Change.NEW: "no task yet", Change.BACK: "back", Change.SAVED: "saved by a run since then"}


def gate(on: text.Screen, result: Gate, known: Iterable[str] = ()) -> str:
    """The outcome; ``known`` are the ids of the journal, so that short ones are unambiguous."""
    parts: list[RenderableType] = [text.styled(message(result), _STYLES[result.outcome])]
    parts.append(Text(_counts(result), style="dim"))
    ids = Ids(known)
    for problem in result.problems[:_PROBLEMS]:
        parts += [Text(), *_problem(problem, ids)]
    if more := len(result.problems) - _PROBLEMS:
        parts += [Text(), Text(f"and {more} more, with --json", style="dim")] if more > 0 else []
    unjudged = [
        each
        for each in result.verdicts
        if not each.is_judged and (each.failure or each.missing != result.missing)
    ]
    if unjudged and result.events:
        parts += [Text(), Text(f"Could judge nothing: {len(unjudged)}", style="dim")]
        rows = text.grid("dim", "dim")
        for each in unjudged[:_ANALYZERS]:
            rows.add_row(
                text.styled(each.analyzer, limit=40),
                text.styled(each.failure or each.missing, limit=200),
            )
        parts.append(text.indented(rows))
    return text.render(on, *parts)


def _counts(result: Gate) -> str:
    able = sum(each.is_judged for each in result.verdicts)
    counted = [words.plural(result.events, "event")]
    if result.events:
        analyzers = words.plural(len(result.verdicts), "analyzer")
        counted.append(f"{able} of {analyzers} could judge")
    if result.milder:
        counted.append(f"{result.milder} new but less severe")
    if result.covered:
        counted.append(f"{words.plural(result.covered, 'problem')} that a task covers")
    if result.muted:
        counted.append(f"{result.muted} muted")
    if result.malformed_lines:
        counted.append(words.plural(result.malformed_lines, "malformed line"))
    return ", ".join(counted)


def _problem(problem: Problem, ids: Ids) -> Iterable[RenderableType]:
    card = problem.card
    head = text.severity(card.severity)
    head.append("  ").append_text(text.styled(card.title, "bold", limit=200))
    yield head
    why = _WHY[problem.change]
    if problem.change is not Change.NEW:
        why += f" ({ids.short(card.id)})"
    about = f"{card.subject}, confidence {words.confidence(card.confidence)}, {why}"
    yield text.indented(text.styled(about, "dim", limit=300))
    if description := card.text("description"):
        yield text.indented(text.styled(description, limit=600))
    for place in places(card.mapping("evidence").get("samples"))[:_SAMPLES]:
        yield text.indented(text.styled(f"such as {place[0]}:{place[1]}", "dim", limit=400))

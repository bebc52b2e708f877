"""What must be true for a problem to be over, and what is, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks.reference import Ids
from tgt.tasks.verification import State, criteria_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from tgt.tasks.card import Card
    from tgt.tasks.criterion import Criterion
    from tgt.verify import Measured, Verification

_WORDS: Mapping[str, tuple[str, str]] = {
    State.HOLDS: ("holds", "green"),
    State.NOT_HOLDING: ("does not hold", "red"),
    State.TOO_EARLY: ("too early", "yellow"),
    State.NO_TRAFFIC: ("no traffic", "yellow"),
}
_OPS = {"<=": "at most", "<": "less than", ">=": "at least"}


def verification(on: text.Screen, verified: Verification) -> str:
    """A task with what must be true of it, what is, and what that says."""
    ids = Ids([task.card.id for task in verified.tasks])
    parts: list[RenderableType] = []
    for task in verified.tasks:
        parts.append(
            Text.assemble(
                text.styled(ids.short(task.card.id), "dim", limit=40),
                "  ",
                text.styled(task.card.title or "(no title)", "bold"),
                overflow="fold",
            )
        )
        parts.extend(text.indented(line, 4) for line in _lines(task))
    if parts:
        parts.append(Text())
    parts.append(Text(verified.message, style="dim"))
    return text.render(on, *parts, width=on.readable)


def _lines(task: Measured) -> Iterator[RenderableType]:
    if not task.criteria:
        yield Text("has nothing that can be measured", style="dim")
    for criterion, verdict in task.criteria:
        value = None if verdict is None else verdict.tally.value
        unit = unit_of(task.card.mapping("evidence"))
        now = words.quantity(value, unit) if value is not None else "not measured"
        yield Text(f"{criterion_text(criterion, unit)}: {now}", overflow="fold")
    if task.verification:
        yield in_words(task.verification)


def criterion_text(criterion: Criterion, unit: object) -> str:
    """``failing conversations at most 3.6%``."""
    value = words.quantity(criterion.value, unit)
    op = _OPS.get(criterion.op, safe(criterion.op, limit=10))
    return f"{safe(words.spoken(criterion.metric) or '', limit=60)} {op} {value}"


def measurable(task: Card) -> list[str]:
    """What of a card runs measure, with how much it takes to show that it is true."""
    lines = []
    for criterion in criteria_of(task):
        what = criterion_text(criterion, unit_of(task.mapping("evidence")))
        least = criterion.least
        enough = (
            ""
            if least is None
            else f", shown by {least:,} {safe(criterion.unit, limit=40)} without one"
        )
        lines.append(f"{what} over 24 hours{enough}")
    return lines


def unit_of(evidence: Mapping[str, Any]) -> object:
    """The unit of a criterion's value: that of the evidence, of whose ratio it is the share."""
    details = evidence.get("details")
    unit = details.get("unit") if isinstance(details, Mapping) else None
    return "share" if unit == "ratio" else unit


def in_words(verification: Mapping[str, Any]) -> Text:
    """The state, and the figures behind it in a sentence."""
    word, style, sentence = _in_words(verification)
    return Text.assemble(
        text.styled(word, style, limit=40),
        ": " if sentence else "",
        text.styled(sentence, limit=400),
        overflow="fold",
    )


def sentence(verification: Mapping[str, Any]) -> str:
    """The same as plain text."""
    word, _, sentence = _in_words(verification)
    return f"{word}: {sentence}" if sentence else word


def _in_words(verification: Mapping[str, Any]) -> tuple[str, str, str]:
    state, sentence = verification.get("state"), verification.get("text")
    word = state if isinstance(state, str) else ""
    word, style = _WORDS.get(word, (word, ""))
    return word, style, sentence if isinstance(sentence, str) else ""

"""``tgt show --why`` for people: each figure of a card explained, and the words that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import glossary, text
from tgt.output.why import why

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.tasks.card import Card

_UNTITLED = "(no title)"


_PLAIN = frozenset(
    {"analyzer", "card", "event", "limit", "rule", "run", "severity", "task", "usual"}
)
"""Words that explain themselves where they are used."""


def as_text(on: text.Screen, cards: Iterable[Card], now: datetime) -> str:
    """Title and explanations of each card, and then the words that these took."""
    parts: list[RenderableType] = []
    used: set[str] = set()
    for card in cards:
        explanations = why(card, now)
        parts += [text.styled(card.title or _UNTITLED, "bold"), _rows(explanations), Text()]
        used.update(glossary.words_in(" ".join((*explanations, *explanations.values()))))
    meanings = {word: glossary.WORDS[word] for word in sorted(used - _PLAIN)}
    parts += [text.heading("Words"), text.indented(_rows(meanings))] if meanings else []
    return text.render(on, *parts, width=on.readable)


def as_markdown(task: Card, now: datetime) -> str:
    """The explanations as a list, for an issue's body."""
    from tgt.output.markdown import inline

    lines = [
        f"- **{about.capitalize()}:** {inline(explanation)}"
        for about, explanation in why(task, now).items()
    ]
    return "\n".join((f"# Why: {inline(task.title or _UNTITLED, limit=500)}", "", *lines, ""))


def _rows(explanations: dict[str, str]) -> RenderableType:
    rows = text.grid("dim", "")
    for about, explanation in explanations.items():
        rows.add_row(about, text.styled(explanation))
    return rows

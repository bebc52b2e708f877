"""A decision that is taken back: the card says again what it said before, and that it does.

The words of the decision stay with the card, under the key ``undone``, because a journal that is
written anew keeps no earlier line. Nothing here reads a clock or writes.
"""

from __future__ import annotations

from datetime import datetime

from tgt.tasks import changes
from tgt.tasks.card import Card, format_time
from tgt.tasks.changes import Change, Version

_LONGEST = 500


def is_untouched(card: Card, decided: Card) -> bool:
    """Whether nobody has decided or said anything since the card was ``decided``. Runs measure on
    meanwhile, which is no word of anybody."""
    return _words_of(card) == _words_of(decided)


def _words_of(card: Card) -> Version:
    version = changes.version(card)
    return version._replace(severity="", quiet="", verified=("", ""), undone="")


def undone(card: Card, before: Card, decided: Card, now: datetime) -> Card:
    """The card as it is, but for what the decision changed: that is as it was before."""
    changed = changes.between(changes.version(before), changes.version(decided), decided)
    wrote = {
        key
        for key in (*before.data, *decided.data)
        if before.data.get(key) != decided.data.get(key)
    }
    kept = {
        key: before.data[key] if key in wrote else value
        for key, value in card.data.items()
        if key not in wrote or key in before.data
    }
    gone = {key: value for key, value in before.data.items() if key in wrote}
    stamp = format_time(now)
    words = "; ".join(map(_in_words, changed))[:_LONGEST]
    return Card({**kept, **gone, "updatedAt": stamp, changes.UNDONE: {"at": stamp, "text": words}})


def _in_words(change: Change) -> str:
    until = f"until {format_time(change.until)}" if change.until else ""
    return ": ".join(filter(None, (change.kind, until, change.text)))

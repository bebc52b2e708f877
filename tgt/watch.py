"""What happens to the cards while somebody watches: every change, as the journal tells it.

The journal is looked at again and again, and only what was added is read. Of each card little more
is kept than ``tgt log`` keeps; when the journal was written anew, what is left of a card is
compared with that, so that nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Callable

from tgt.store import tail
from tgt.store.journal import Journal
from tgt.store.tail import Position
from tgt.tasks import changes
from tgt.tasks.card import Card
from tgt.tasks.changes import Change, Version

Tell = Callable[[Change, Card], None]


class Watch:
    """Begins with what there is, of which nothing is told. Raises StoreError, as ``look`` does."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._versions: dict[str, Version] = {}
        self._position: Position | None = None
        self._position, _ = tail.newest(journal, None, self._know)

    def look(self, tell: Tell) -> None:
        """Tell every change since the last look, in the order in which they were written."""

        def compare(card: Card) -> None:
            version = changes.version(card)
            for change in changes.between(self._versions.get(card.id), version, card):
                tell(change, card)
            self._versions[card.id] = version

        if self._position is None:
            self._position, _ = tail.newest(self._journal, None, compare)
        else:
            self._position, _ = tail.each(self._journal, self._position, compare)

    def _know(self, card: Card) -> None:
        self._versions[card.id] = changes.version(card)

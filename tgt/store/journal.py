"""The append-only file of cards: one JSON object a line, and the newest line of an id wins.

Whole lines are appended under the write lock and are durable when that is acknowledged; readers
take no lock. A line that is no card is skipped and counted, never repaired, and survives every
rewrite. Reading costs one pass over the file and one parsed line a card, however often a card was
rewritten. What a card means is not decided here.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tgt.store import fsio, locks
from tgt.tasks.card import Card

FILE_NAME = "generated_tasks.jsonl"

_LEADING_ID = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"id"\s*:\s*"([^"\\\x00-\x1f]+)"\s*[,}]')
# Legal in JSON, but a terminal or an editor that shows the file would act on them.
_ACTIVE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_COPY_BYTES = 1 << 20

Span = tuple[int, int]
Choose = Callable[[Collection[str]], Iterable[str]]
"""Says of all ids in a journal which cards are wanted."""

saved_ids: set[str] = set()
"""The cards that this process has made durable: who is interrupted wants to know."""


@dataclass(frozen=True)
class JournalContent:
    """The newest line of every card, oldest card first, and how many lines were no cards."""

    cards: dict[str, Card] = field(default_factory=dict)
    skipped_lines: int = 0


def encode(data: Mapping[str, Any]) -> bytes:
    """One JSON line without its end; a number that JSON does not have becomes null."""
    try:
        text = _dumps(data)
    except ValueError:
        text = _dumps(_finite(data))
    text = _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate becomes its JSON escape


def decode(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, or None when it is none, for whatever reason."""
    try:
        value = _DECODER.decode(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decode_card(line: bytes) -> Card | None:
    """The card of a line, or None when the line is no JSON object with an id."""
    data = decode(line)
    return Card(data) if data and isinstance(data.get("id"), str) and data["id"] else None


class Journal:
    """The journal of a task directory, which need not exist yet."""

    def __init__(self, tasks_dir: Path) -> None:
        self.path = tasks_dir / FILE_NAME

    def read(self, kept: Callable[[Card], Card] = lambda card: card) -> JournalContent:
        """All cards, or what is ``kept`` of each: many need little memory then. No journal is an
        empty one. Raises StoreError."""

        def load(descriptor: int, span: Span) -> Card | None:
            card = _load(descriptor, span)
            return card if card is None else kept(card)

        with self.opened() as descriptor:
            if descriptor is None:
                return JournalContent()
            cards, skipped = _read(descriptor, load=load)
            return JournalContent(cards, len(skipped))

    def one_by_one(self) -> Iterator[Card]:
        """All cards, oldest first, of which one at a time is in memory."""

        def place(descriptor: int, span: Span) -> Card | None:
            card = _load(descriptor, span)
            return (
                card
                if card is None
                else Card({"id": card.id, "offset": span[0], "length": span[1]})
            )

        with self.opened() as descriptor:
            if descriptor is None:
                return
            for placed in _read(descriptor, load=place)[0].values():
                span = placed.data["offset"], placed.data["length"]
                if (card := _load(descriptor, span)) is not None:
                    yield card

    def each(self, take: Callable[[Card], None]) -> None:
        """Hand on all cards, one by one; of two with the same id the second is the newer."""
        with self.opened() as descriptor:
            if descriptor is not None:
                scan(descriptor, 0, lambda card, _span: take(card))

    def each_version(
        self, take: Callable[[Card], None], wanted: Callable[[str], bool] = lambda _id: True
    ) -> int:
        """Hand on every line of the wanted cards, oldest first, one by one: what a card was before
        it is what it is now. Returns how many lines are no cards."""
        skipped = 0
        with self.opened() as descriptor:
            for line in () if descriptor is None else _lines(descriptor, 0):
                card_id = _leading_id(line)
                if card_id is not None and not wanted(card_id):
                    continue
                card = decode_card(line)
                if card is None:
                    skipped += not line.isspace()
                elif card_id is not None or wanted(card.id):
                    take(card)
        return skipped

    def brief(self, whole: Callable[[Card], bool] = lambda _card: False) -> dict[str, Card]:
        """All cards, in brief but for those that are wanted whole."""
        return self.read(lambda card: card if whole(card) else card.brief()).cards

    def ids(self) -> list[str]:
        """The ids of all cards, as far as their lines can be told without being parsed."""
        with self.opened() as descriptor:
            return [] if descriptor is None else list(_index(descriptor, lambda _id: False)[0])

    def find(self, choose: Choose) -> dict[str, Card]:
        """The cards that are chosen of all ids; parses only them."""
        with self.opened() as descriptor:
            return {} if descriptor is None else _read(descriptor, choose)[0]

    def exists(self) -> bool:
        with self.opened() as descriptor:
            return descriptor is not None

    @contextmanager
    def writing(self, timeout: float = 10.0) -> Iterator[JournalWriter]:
        """Hold the write lock; BusyError when it is not free within ``timeout`` seconds."""
        with locks.write_lock(self.path.parent, timeout):
            yield JournalWriter(self)

    @contextmanager
    def opened(self) -> Iterator[int | None]:
        """A descriptor to read from, or None where there is no journal."""
        descriptor = fsio.open_for_reading(self.path)
        try:
            with fsio.explained("read", self.path):
                yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)


class JournalWriter:
    """The journal while its lock is held: what is read here stays true until it is changed."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._cards: dict[str, Card] | None = None

    @property
    def cards(self) -> dict[str, Card]:
        """All cards as of now; read when first asked for."""
        if self._cards is None:
            self._cards = self._journal.read().cards
        return self._cards

    def brief(self, whole: Callable[[Card], bool]) -> dict[str, Card]:
        return self._journal.brief(whole)

    def append(self, cards: Sequence[Card]) -> None:
        """Write all of these lines or none; they are durable on return. Raises StoreError."""
        if not cards:
            return
        lines = b"".join(encode(card.data) + b"\n" for card in cards)
        fsio.append(self._journal.path, lines, is_whole=lambda part: decode_card(part) is not None)
        saved_ids.update(card.id for card in cards)
        if self._cards is not None:
            self._cards.update({card.id: card for card in cards})

    def rewrite(self, cards: Iterable[Card]) -> None:
        """Make these the journal's cards, one line each, after the lines that are no cards."""
        self._cards = None
        with self._journal.opened() as descriptor:
            foreign = () if descriptor is None else _foreign_lines(descriptor)
            lines = (encode(card.data) + b"\n" for card in cards)
            fsio.replace(self._journal.path, (chunk for part in (foreign, lines) for chunk in part))


def scan(descriptor: int, start: int, each: Callable[[Card, Span], None]) -> int:
    """Hand on the newest card of each id from an offset on, and where its line lies, one by one.

    A later call for an id overrules an earlier one. Returns how many lines are no cards.
    """
    lines, skipped = _index(descriptor, lambda _id: False, start)
    damaged = set()
    for card_id, span in lines.items():
        card = _load(descriptor, span)
        if card is None or card.id != card_id:
            damaged.add(card_id)
        else:
            each(card, span)
    if damaged:
        verified, skipped = _index(descriptor, damaged.__contains__, start)
        for card_id, span in verified.items():
            if lines.get(card_id) != span and (card := _load(descriptor, span)) is not None:
                each(card, span)
    return len(skipped)


def _load(descriptor: int, span: Span) -> Card | None:
    offset, length = span
    return decode_card(os.pread(descriptor, length, offset))


def _read(
    descriptor: int,
    choose: Choose = lambda ids: ids,
    load: Callable[[int, Span], Card | None] = _load,
) -> tuple[dict[str, Card], list[Span]]:
    newest, skipped = _index(descriptor, lambda _id: False)
    loaded = {key: load(descriptor, newest[key]) for key in _chosen(choose, newest)}
    damaged = {key for key, card in loaded.items() if card is None or card.id != key}
    if damaged:
        # The line that looked like the newest of a card is none: find the one before it.
        newest, skipped = _index(descriptor, damaged.__contains__)
        loaded = {
            key: loaded[key]
            if key in loaded and key not in damaged
            else load(descriptor, newest[key])
            for key in _chosen(choose, newest)
        }
    return {key: card for key, card in loaded.items() if card is not None}, skipped


def _chosen(choose: Choose, newest: Mapping[str, Span]) -> list[str]:
    """In the order of the journal."""
    wanted = set(choose(newest.keys()))
    return [card_id for card_id in newest if card_id in wanted]


def _index(
    descriptor: int, verify: Callable[[str], bool], start: int = 0
) -> tuple[dict[str, Span], list[Span]]:
    """Where the newest line of each id lies, and which lines have none.

    A line is taken at the word of its beginning and its end, unless it lacks them or ``verify``
    asks for its id: then it is parsed.
    """
    newest: dict[str, Span] = {}
    skipped: list[Span] = []
    offset = start
    for line in _lines(descriptor, start):
        span = (offset, len(line))
        offset += len(line)
        card_id = _leading_id(line)
        if card_id is None or verify(card_id):
            card = decode_card(line)
            card_id = card.id if card else None
        if card_id is not None:
            newest[card_id] = span
        elif not line.isspace():
            skipped.append(span)
    return newest, skipped


def _leading_id(line: bytes) -> str | None:
    match = _LEADING_ID.match(line)
    if match is None or not line.endswith((b"}\n", b"}\r\n")):
        return None
    try:
        return match[1].decode("utf-8")
    except UnicodeDecodeError:
        return None


def _lines(descriptor: int, start: int) -> Iterator[bytes]:
    os.lseek(descriptor, start, os.SEEK_SET)
    with io.FileIO(descriptor, closefd=False) as raw, io.BufferedReader(raw, _COPY_BYTES) as stream:
        yield from stream


def _foreign_lines(descriptor: int) -> Iterator[bytes]:
    """The whole lines that are no cards, byte for byte; a torn last one is dropped."""
    _, skipped = _index(descriptor, lambda _id: True)
    for offset, length in skipped:
        if os.pread(descriptor, 1, offset + length - 1) != b"\n":
            continue
        for start in range(offset, offset + length, _COPY_BYTES):
            yield os.pread(descriptor, min(_COPY_BYTES, offset + length - start), start)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


# Made once: to make one for each of a hundred thousand cards takes a fifth of reading them.
_DECODER = json.JSONDecoder(parse_constant=_refuse)
_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value

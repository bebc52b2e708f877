"""A source: where telemetry of one format lies, and how one of its files becomes records.

Adding a format is one module with one class of these protocols and a line in the registry. There
are two kinds. A *record source* is given one JSON object after another and answers with records:
what it must remember of a file from one reading to the next is its *state*, so that only new bytes
are ever read. A *SQL source* has lines that are records by themselves and lets the engine read
them. Everything else (which bytes are new, arrays and wrappers around objects, lines that are too
long or broken, what one record raises) is the same for all and lies outside of the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

from tgt.events import MEANING, OWN
from tgt.redact import masked_cut, redact
from tgt.sources.files import LogFile

_LONGEST_LINE, _MOST_LOOKED_AT = 60, 300

Record: TypeAlias = dict[str, Any]
"""Columns of RECORD (``tgt.events``) by name; one that is absent or None has no value."""


class Reason(StrEnum):
    """Why an object of a file is no event."""

    SKIPPED = "skipped"  # understood and no event: bookkeeping, or another record's twin
    METRIC = "metric"  # a sum over what the events tell one by one
    UNKNOWN = "unknown"  # of a kind that is not understood
    MALFORMED = "malformed"  # no object, no usable time, or more than the bounds allow


@dataclass(frozen=True)
class PassedOver:
    """An object that is no event. ``kind`` is what it calls itself where it is unknown, and what is
    wrong with it where it is malformed."""

    reason: Reason
    kind: str = ""


SKIPPED = PassedOver(Reason.SKIPPED)
METRIC = PassedOver(Reason.METRIC)

Outcome: TypeAlias = Record | PassedOver


def unknown(kind: object = "") -> PassedOver:
    """An object of a kind that is not understood; ``kind`` is shortened to one printable line."""
    return PassedOver(Reason.UNKNOWN, _line(kind))


def malformed(reason: object = "") -> PassedOver:
    """An object that is not usable, and why."""
    return PassedOver(Reason.MALFORMED, _line(reason))


def _line(value: object) -> str:
    text = value if isinstance(value, str) else type(value).__name__
    if len(text) > _LONGEST_LINE:
        text = _cut(text[:_MOST_LOOKED_AT])
    return "".join(c if c.isprintable() else "�" for c in text)


@lru_cache(maxsize=1000)
def _cut(text: str) -> str:
    # Half a credential would not be recognized as one any more.
    return masked_cut(text, _LONGEST_LINE, redact)


@dataclass(frozen=True)
class Listing:
    """The files of a source as they are now, oldest first, and those that are not read with the
    reason (``a copy of x.jsonl``)."""

    files: tuple[LogFile, ...] = ()
    passed_over: tuple[tuple[str, str], ...] = ()


class Reader(Protocol):
    """What turns the objects of one file into records, in their order.

    It may keep back what is not whole yet, up to ``finish``. A record with the ``key`` of an
    earlier one and a higher ``revision`` replaces it, so what was given out unfinished may be given
    again.
    """

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        """What one object comes to; ``place`` is the offset at which it begins. What this raises is
        counted as one malformed object."""
        ...

    def finish(self) -> Iterable[Outcome]:
        """What is left at the end of what there is to read now; the file may grow later."""
        ...

    def state(self) -> Mapping[str, Any] | None:
        """What a reader of the bytes that are yet to be written must know: JSON without any text of
        prompts, answers or tools. None: the file must be read from its beginning again."""
        ...


class Source(Protocol):
    """One place with telemetry of one format."""

    @property
    def kind(self) -> str:
        """The format, as in TASKGEN_SOURCE."""
        ...

    @property
    def key(self) -> str:
        """What decides what is read and how: the format, the place and the options."""
        ...

    def listing(self) -> Listing:
        """What there is. Raises TelemetryError if the place cannot be read."""
        ...


Listed: TypeAlias = tuple[Source, Listing]
"""A source with its files as they were listed."""


@runtime_checkable
class RecordSource(Source, Protocol):
    """A source whose objects are translated one by one."""

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Reader:
        """A reader of the file from its beginning, or from where the ``state`` was taken."""
        ...


@dataclass(frozen=True)
class Projection:
    """SQL that makes records of the lines of a format, in two parts.

    ``statement`` reads the files of the list parameter ``$paths``, one row a line. It yields the
    columns of OWN and those named in ``words``; ``us`` is NULL where the line is malformed, and
    ``path`` is the file as it stands in ``$paths`` (a reader's ``filename``).

    ``meaning`` makes of a FROM item with the words one that has the columns of MEANING, too. It
    looks at nothing but the words, so it need be asked only once for all records that say the
    same. Where ``act`` is NULL there is no event.

    ``macros`` are statements that define what these use, each of them none but earlier ones.
    ``narrowed`` makes of the bytes of some lines a projection that yields the same of them and is
    planned faster, since it asks for nothing that does not stand there. ``times_and_words`` is what
    ``statement`` is where nothing but ``us`` and the words are looked at, and planned faster, too.
    """

    statement: str
    parameters: Mapping[str, Any]
    words: Sequence[str]
    meaning: Callable[[str], str]
    macros: Sequence[str] = ()
    narrowed: Callable[[bytes], Projection] | None = None
    times_and_words: str = ""

    def whole(self) -> str:
        """SQL for the records with all columns of RECORD."""
        own = {name: name for name in OWN}
        own["elapsed_ms"] = "CASE WHEN is_wait IS NOT true THEN elapsed_ms END AS elapsed_ms"
        return (
            f"SELECT {', '.join((*own.values(), *MEANING))}"
            f" FROM ({self.meaning(f'({self.statement})')}) WHERE us IS NULL OR act IS NOT NULL"
        )


@runtime_checkable
class SqlSource(Source, Protocol):
    """A source whose lines the engine reads by itself."""

    def projection(self) -> Projection:
        """How lines become records."""
        ...

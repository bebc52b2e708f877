"""A source: where telemetry of one format lies, and how its lines become records.

A source is a projection that the engine runs, never a stored copy. Adding a format is one module
with one instance of this protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tgt.events import MEANING, OWN
from tgt.sources.files import LogFile, Part


@dataclass(frozen=True)
class Projection:
    """SQL that makes records of the lines of a format, in two parts.

    ``statement`` reads the files of the list parameter ``$paths``, one row a line or document. It
    yields the columns of OWN and those named in ``words``; ``us`` is NULL where the line is
    malformed, and ``path`` is the file as it stands in ``$paths`` (a reader's ``filename``).

    ``meaning`` makes of a FROM item with the words one that has the columns of MEANING, too. It
    looks at nothing but the words, so it need be asked only once for all records that say the
    same. Where ``act`` is NULL there is no event.
    """

    statement: str
    parameters: Mapping[str, Any]
    words: Sequence[str]
    meaning: Callable[[str], str]

    def whole(self) -> str:
        """SQL for the records with all columns of RECORD."""
        own = {name: name for name in OWN}
        own["elapsed_ms"] = "CASE WHEN is_wait IS NOT true THEN elapsed_ms END AS elapsed_ms"
        return (
            f"SELECT {', '.join((*own.values(), *MEANING))}"
            f" FROM ({self.meaning(f'({self.statement})')}) WHERE us IS NULL OR act IS NOT NULL"
        )


class Source(Protocol):
    """One place with telemetry of one format."""

    @property
    def kind(self) -> str:
        """The format, as in TASKGEN_SOURCE."""
        ...

    @property
    def in_lines(self) -> bool:
        """Whether each line of a file is a record by itself, as the engine reads it."""
        ...

    @property
    def macros(self) -> Sequence[str]:
        """Statements that define what the projection uses; executed once."""
        ...

    def files(self) -> tuple[LogFile, ...]:
        """The files there are now, in the order of their time. Raises TelemetryError."""
        ...

    def descriptor(self, part: Part) -> int | None:
        """A descriptor of a file in memory to read in place of the part; the caller closes it.

        None where the engine reads the file itself. Raises OSError.
        """
        ...

    def records(self) -> Projection:
        """How lines become records."""
        ...

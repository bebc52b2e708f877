"""A source: where telemetry of one format lies, and how its lines become records.

A source is a projection that the engine runs, never a stored copy. Adding a format is one module
with one instance of this protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tgt.telemetry.files import LogFile, Part


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
        """Statements that define what ``records`` uses; executed once."""
        ...

    def files(self) -> tuple[LogFile, ...]:
        """The files there are now, in the order of their time. Raises TelemetryError."""
        ...

    def descriptor(self, part: Part) -> int | None:
        """A descriptor of a file in memory to read in place of the part; the caller closes it.

        None where the engine reads the file itself. Raises OSError.
        """
        ...

    def records(self) -> tuple[str, Mapping[str, Any]]:
        """SQL that reads the files of the list parameter ``$paths``, and its other parameters.

        It yields the columns of RECORD, one row a line or document; ``us`` is NULL where that is
        malformed. ``path`` is the file as it stands in ``$paths`` (a reader's ``filename``).
        """
        ...

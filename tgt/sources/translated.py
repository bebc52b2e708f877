"""Sources whose files are translated to records before the engine reads them.

A line of such a file is not one event: it may be a batch of hundreds, a fragment of a message, or
an object spread over many lines. Taking those apart inside the engine needs memory in proportion
to the batch; here it is done one object at a time, and the engine is given plain records in a
file that exists in memory only.
"""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tgt.events import MEANING, RECORD
from tgt.sources.base import Projection
from tgt.sources.files import LogFile, Part

UNKNOWN: Final = object()
"""A record of a kind that is not understood."""
SKIPPED: Final = object()
"""A record that is understood and is no event: bookkeeping, or another record's twin."""
METRIC: Final = object()
"""A measurement: metrics are sums over what the events tell one by one."""
MALFORMED_RECORD: Mapping[str, Any] = {"us": None}

_COLUMNS = {name: kind for name, kind in RECORD.items() if name != "path"}
_STATEMENT = (
    f"SELECT filename AS path, {', '.join(_COLUMNS)} FROM read_ndjson($paths,"
    " columns = $columns, ignore_errors = true, filename = true, hive_partitioning = false)"
)
_CHUNK = 2000
_WRITE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Translated:
    """What these sources have in common; one gives ``kind``, ``files`` and ``translate``."""

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @abstractmethod
    def files(self) -> tuple[LogFile, ...]: ...

    @abstractmethod
    def translate(self, part: Part) -> Iterator[Any]:
        """The records that begin in a part: mappings with columns of RECORD (``us`` is None for
        what is malformed), or UNKNOWN, SKIPPED or METRIC. Raises OSError."""

    @property
    def in_lines(self) -> bool:
        return False

    @property
    def macros(self) -> Sequence[str]:
        return ()

    def records(self) -> Projection:
        return Projection(
            _STATEMENT, {"columns": _COLUMNS}, tuple(MEANING), lambda records: f"FROM {records}"
        )

    def descriptor(self, part: Part) -> int:
        """A descriptor of a file in memory with the records; the caller closes it."""
        target = os.memfd_create("tgt-records", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(target), "wb") as stream:
                lines: list[str] = []
                for record in self.translate(part):
                    if isinstance(record, dict):
                        lines.append(_WRITE(record))
                    elif record is MALFORMED_RECORD:
                        lines.append('{"us":null}')
                    if len(lines) >= _CHUNK:
                        stream.write(_encode(lines))
                        lines.clear()
                stream.write(_encode(lines))
        except BaseException:
            os.close(target)
            raise
        return target


def _encode(lines: Sequence[str]) -> bytes:
    # Half of a surrogate pair is valid JSON but no valid UTF-8.
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")

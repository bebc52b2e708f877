"""A small file of what people said, one JSON object a line, only ever appended to.

A line that is none is skipped and counted, never repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from tgt.errors import StoreError
from tgt.store import fsio, locks
from tgt.store.journal import decode, encode


class Written(Protocol):
    """What a line says."""

    @property
    def document(self) -> dict[str, Any]: ...


T = TypeVar("T", bound=Written)


class DecisionsFile(Generic[T]):
    """``of`` makes of an object what its line says, or None; beyond ``most`` bytes nothing is
    written, and ``hint`` says what to do then. The file need not exist yet."""

    def __init__(
        self, path: Path, of: Callable[[Mapping[str, Any]], T | None], most: int, hint: str
    ) -> None:
        self.path, self._of, self._most, self._hint = path, of, most, hint

    def read(self) -> tuple[tuple[T, ...], int]:
        """What the lines say, in their order, and how many are none. Takes no lock; StoreError."""
        return self._decisions(self._bytes())

    def add(self, decide: Callable[[Sequence[T]], Sequence[T]]) -> tuple[T, ...]:
        """Append, durably, what ``decide`` makes of what was said so far: all of it or nothing.

        Raises StoreError.
        """
        with locks.write_lock(self.path.parent):
            data = self._bytes()
            new = tuple(decide(self._decisions(data)[0]))
            lines = b"".join(encode(each.document) + b"\n" for each in new)
            if not lines:
                return ()
            if len(data) + len(lines) + 1 > self._most:
                raise StoreError(
                    f"cannot write {self.path}: it would be larger than {self._most} bytes",
                    hint=self._hint,
                )
            fsio.append(self.path, lines, is_whole=lambda part: self._one(part) is not None)
        return new

    def _bytes(self) -> bytes:
        return fsio.read(self.path, self._most) or b""

    def _decisions(self, data: bytes) -> tuple[tuple[T, ...], int]:
        lines = [line for line in data.split(b"\n") if line.strip()]
        decisions = tuple(one for line in lines if (one := self._one(line)) is not None)
        return decisions, len(lines) - len(decisions)

    def _one(self, line: bytes) -> T | None:
        data = decode(line)
        return None if data is None else self._of(data)

"""A telemetry file as JSON objects: unpacked, found wherever they stand, envelopes taken off."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tgt.sources.files import LogFile, stream_of
from tgt.sources.scanner import Document, Scanner
from tgt.sources.wrappers import PREFIX, unwrapped

__all__ = ["Document", "Documents", "documents"]


class Documents:
    """The objects of a file from an offset (of its unpacked bytes) on, once.

    ``wrappers`` names the envelopes that are taken off (``tgt.sources.wrappers``). Afterwards
    ``end`` is the offset up to which all is dealt with, ``is_torn`` says whether something half
    written follows it, and ``damage`` why reading ended early, if it did. The first object that is
    asked for raises OSError if the file cannot be opened.
    """

    def __init__(
        self, file: LogFile, offset: int = 0, wrappers: Collection[str] = frozenset()
    ) -> None:
        self._wrappers = frozenset(wrappers)
        self._stream = stream_of(file, offset)
        self._scanner = Scanner(self._stream, offset, has_prefixes=PREFIX in self._wrappers)

    @property
    def end(self) -> int:
        return self._scanner.end

    @property
    def is_torn(self) -> bool:
        return self._scanner.is_torn

    @property
    def damage(self) -> str:
        return self._stream.damage

    def __iter__(self) -> Iterator[Document]:
        for document in self._scanner.documents():
            if self._wrappers and document.value is not None:
                for value in unwrapped(document.value, self._wrappers):
                    yield Document(document.place, document.end, value)
            else:
                yield document


def documents(
    file: LogFile, offset: int = 0, wrappers: Collection[str] = frozenset()
) -> Iterator[Document]:
    """The objects of a file, for who wants to know no more than that: see Documents."""
    return iter(Documents(file, offset, wrappers))

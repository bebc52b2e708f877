"""What can still be read of a file that the engine refuses as a whole.

The engine gives up a file for one line of more than 32 MB, and a compressed one for a missing end.
Here such a file is streamed, a line that is too long is left out and counted, and the rest is
handed over in pieces that lie in memory only. What is not text in lines is left to its source.
"""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tgt.sources.base import Projection, Source
from tgt.sources.files import LogFile, Part

MAX_LINE = 16 * 1024 * 1024
PIECE_BYTES = 16 * 1024 * 1024
_BLOCK = 1 << 20
_COMPRESSED_BLOCK = 1 << 14  # a block with damage in it is lost


@dataclass
class Salvage:
    """One pass over a part; afterwards ``too_long`` lines were left out, and ``damage`` says why
    it ended early, if it did."""

    part: Part
    too_long: int = 0
    damage: str = ""
    _pending: bytearray = field(default_factory=bytearray)
    _skips: bool = False

    def pieces(self) -> Iterator[int]:
        """Descriptors of files in memory with whole lines; each is closed when the next is asked
        for. Raises OSError."""
        piece = _Piece()
        try:
            for block in self._blocks():
                piece.write(self._whole_lines(block))
                if piece.size >= PIECE_BYTES:
                    yield piece.descriptor
                    piece.clear()
            piece.write(bytes(self._pending))
            self.too_long += self._skips
            if piece.size:
                yield piece.descriptor
        finally:
            os.close(piece.descriptor)

    def _whole_lines(self, block: bytes) -> bytes:
        """What of the block, and of the line begun before it, is complete."""
        first, last = block.find(b"\n") + 1, block.rfind(b"\n") + 1
        if not last:
            self._extend(block)
            return b""
        self._extend(block[:first])
        begun = b"" if self._skips else bytes(self._pending)
        self.too_long += self._skips
        self._skips = False
        self._pending = bytearray(block[last:])
        return begun + block[first:last]

    def _extend(self, data: bytes) -> None:
        if self._skips:
            return
        self._pending += data
        if len(self._pending) > MAX_LINE:
            self._skips = True
            self._pending.clear()

    def _blocks(self) -> Iterator[bytes]:
        file = self.part.file
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        with os.fdopen(os.open(file.path, flags), "rb", buffering=0) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(0, "it is no regular file any more")
            stream.seek(self.part.offset)
            if file.compression == "gzip":
                yield from self._inflated(_blocks_of(stream, self.part.length, _COMPRESSED_BLOCK))
            else:
                yield from _blocks_of(stream, self.part.length, _BLOCK)

    def _inflated(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        inflater = zlib.decompressobj(wbits=31)
        try:
            for block in raw:
                rest = block
                while rest:
                    if inflater.eof:
                        inflater = zlib.decompressobj(wbits=31)
                    yield inflater.decompress(rest, _BLOCK)
                    # Zeros behind the end are padding, anything else is one more member.
                    padded = inflater.unused_data.lstrip(b"\0")
                    rest = padded if inflater.eof else inflater.unconsumed_tail
            if not inflater.eof:
                self.damage = "the compressed file ends early"
        except zlib.error:
            self.damage = "the compressed file is damaged"


@dataclass(frozen=True)
class InMemory:
    """A source whose only part is read from a descriptor, in the place of its file."""

    source: Source
    descriptor_of_piece: int

    @property
    def kind(self) -> str:
        return self.source.kind

    @property
    def in_lines(self) -> bool:
        return True

    @property
    def macros(self) -> Sequence[str]:
        return self.source.macros

    def files(self) -> tuple[LogFile, ...]:
        return self.source.files()

    def descriptor(self, part: Part) -> int | None:  # noqa: ARG002 there is only one
        return os.dup(self.descriptor_of_piece)

    def records(self) -> Projection:
        return self.source.records()


class _Piece:
    def __init__(self) -> None:
        self.descriptor = os.memfd_create("tgt-piece", os.MFD_CLOEXEC)
        self.size = 0

    def write(self, data: bytes) -> None:
        with memoryview(data) as view:
            written = 0
            while written < len(view):
                written += os.write(self.descriptor, view[written:])
        self.size += len(data)

    def clear(self) -> None:
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        self.size = 0


def _blocks_of(stream: io.RawIOBase, length: int, size: int) -> Iterator[bytes]:
    left = length
    while left > 0 and (block := stream.read(min(size, left))):
        left -= len(block)
        yield block

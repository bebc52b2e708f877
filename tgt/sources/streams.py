"""The bytes of a file in blocks, unpacked if they are compressed, and never more than it can hold.

A compressed file may end early because it is still being written, or be damaged: what came before
is handed out, and ``damage`` says what is wrong. A small one may unpack to very much: no block is
larger than a few megabytes, whatever it was packed from.
"""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from tgt.sources.bounds import BLOCK_BYTES

_PACKED_BYTES = 16 * 1024
# Four bytes of zstd may stand for 128 KiB, and there is no way to ask for less than all of it.
_ZSTD_BYTES = 128
_ZSTD_WINDOW = 64 * 1024 * 1024
_GZIP = 31


def opened(path: str) -> BinaryIO:
    """A regular file, opened without waiting for anybody. Raises OSError, also for a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is no regular file", path)
        return io.FileIO(descriptor, "rb") 
    except BaseException:
        os.close(descriptor)
        raise


class Blocks:
    """The content of an open file from an offset (of the unpacked bytes) on, once.

    Nothing is raised for what is wrong inside: afterwards ``damage`` tells it. The file is closed
    with the iterator.
    """

    def __init__(self, stream: BinaryIO, compression: str, offset: int = 0) -> None:
        self.damage = ""
        self._stream = stream
        self._compression = compression
        self._offset = offset

    def __iter__(self) -> Iterator[bytes]:
        return self.of(BLOCK_BYTES)

    def close(self) -> None:
        self._stream.close()

    def of(self, size: int) -> Iterator[bytes]:
        """Blocks of about that many bytes, none of them empty."""
        try:
            if self._compression == "uncompressed":
                self._stream.seek(self._offset)
                yield from self._raw(size)
                return
            unpacked = self._gunzipped if self._compression == "gzip" else self._unpacked
            skipped = 0
            for block in unpacked(size):
                if skipped >= self._offset:
                    yield block
                    continue
                rest = block[self._offset - skipped :]
                skipped += len(block)
                if rest:
                    yield rest
        finally:
            self.close()

    def even(self) -> Iterator[bytes]:
        """Blocks of BLOCK_BYTES each, but for the last."""
        kept = bytearray()
        for block in self:
            kept += block
            while len(kept) >= BLOCK_BYTES:
                yield bytes(kept[:BLOCK_BYTES])
                del kept[:BLOCK_BYTES]
        if kept:
            yield bytes(kept)

    def _raw(self, size: int) -> Iterator[bytes]:
        while True:
            try:
                block = self._stream.read(size)
            except OSError as failure:
                self.damage = failure.strerror or "it cannot be read"
                return
            if not block:
                return
            yield block

    def _gunzipped(self, size: int) -> Iterator[bytes]:
        inflater = zlib.decompressobj(wbits=_GZIP)
        is_begun = False
        for block in self._raw(_PACKED_BYTES):
            rest = block
            while rest:
                if inflater.eof:
                    # Zeros behind the end are padding, anything else is one more member.
                    rest = rest.lstrip(b"\0")
                    if not rest:
                        break
                    inflater, is_begun = zlib.decompressobj(wbits=_GZIP), False
                before = inflater.copy()
                try:
                    data = inflater.decompress(rest, size)
                except zlib.error:
                    yield from _up_to_damage(before, rest)
                    self.damage = self.damage or "the compressed file is damaged"
                    return
                is_begun = True
                if data:
                    yield data
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        if is_begun and not inflater.eof:
            self.damage = self.damage or "the compressed file ends early"

    def _unpacked(self, size: int) -> Iterator[bytes]:
        import zstandard  # noqa: PLC0415 few files are compressed so

        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        frame: Any = None
        ready = bytearray()
        for block in self._raw(_PACKED_BYTES):
            for start in range(0, len(block), _ZSTD_BYTES):
                rest = block[start : start + _ZSTD_BYTES]
                while rest:
                    if frame is None:
                        rest = rest.lstrip(b"\0")
                        if not rest:
                            break
                        frame = decompressor.decompressobj()
                    try:
                        ready += frame.decompress(rest)
                    except zstandard.ZstdError:
                        self.damage = self.damage or "the compressed file is damaged"
                        if ready:
                            yield bytes(ready)
                        return
                    rest, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
                if len(ready) >= size:
                    yield bytes(ready)
                    ready.clear()
        if ready:
            yield bytes(ready)
        if frame is not None:
            self.damage = self.damage or "the compressed file ends early"


def _up_to_damage(inflater: Any, data: bytes) -> Iterator[bytes]:
    """What can be unpacked of a block that cannot be unpacked as a whole."""
    try:
        for start in range(0, len(data), 64):
            rest = data[start : start + 64]
            while rest and not inflater.eof:
                found = inflater.decompress(rest, BLOCK_BYTES)
                if found:
                    yield found
                rest = inflater.unconsumed_tail
    except zlib.error:
        return

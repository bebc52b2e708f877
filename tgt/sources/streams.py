"""The bytes of a file in blocks, unpacked if they are compressed, and never more than it can hold.

A compressed file may end early because it is still being written, or be damaged: what came before
is handed out, and ``damage`` says what is wrong. A small one may unpack to very much: no block is
larger than a few megabytes, whatever it was packed from.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from io import RawIOBase
from typing import Any

from tgt.sources.bounds import BLOCK_BYTES

_PACKED_BYTES = 16 * 1024
# Four bytes of zstd may stand for 128 KiB, and there is no way to ask for less than all of it.
_ZSTD_BYTES = 128
_ZSTD_WINDOW = 64 * 1024 * 1024
_GZIP = 31
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF_8 = "it is UTF-16, not UTF-8"
"""Why nothing of a text is read that another shell than ours has redirected to a file."""


def opened(path: str) -> RawIOBase:
    """A regular file, opened without waiting for anybody. Raises OSError, also for a FIFO."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    if not is_regular:
        os.close(descriptor)
        raise OSError(0, "it is no regular file", path)
    return os.fdopen(descriptor, "rb", buffering=0)


def is_utf_16(beginning: bytes) -> bool:
    """Whether a text says by its first two bytes that it is written so."""
    return beginning.startswith(_UTF_16)


class Blocks:
    """The content of a file from an offset (of the unpacked bytes) on, once.

    The file is opened when the first block is asked for, which raises OSError, and closed behind
    the last. Nothing is raised for what is wrong inside: afterwards ``damage`` tells it.
    """

    def __init__(self, path: str, compression: str, offset: int = 0) -> None:
        self.damage = ""
        self._path = path
        self._compression = compression
        self._offset = offset

    def __iter__(self) -> Iterator[bytes]:
        return self.of(BLOCK_BYTES)

    def of(self, size: int) -> Iterator[bytes]:
        """Blocks of about that many bytes, none of them empty. Raises OSError: see above."""
        is_beginning = self._offset == 0
        for block in self._read(size):
            if is_beginning and is_utf_16(block):
                self.damage = NOT_UTF_8
                return
            is_beginning = False
            yield block

    def _read(self, size: int) -> Iterator[bytes]:
        with opened(self._path) as stream:
            if self._compression == "uncompressed":
                stream.seek(self._offset)
                yield from self._raw(stream, size)
                return
            unpack = self._gunzipped if self._compression == "gzip" else self._unzstd
            left = self._offset
            for block in unpack(self._raw(stream, _PACKED_BYTES), size):
                if len(block) > left:
                    yield block[left:] if left else block
                left = max(0, left - len(block))

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

    def _raw(self, stream: RawIOBase, size: int) -> Iterator[bytes]:
        # What is written meanwhile is left for the next reading, or this one might never end.
        left = os.fstat(stream.fileno()).st_size - stream.tell()
        while left > 0:
            try:
                block = stream.read(min(size, left))
            except OSError as failure:
                self.damage = failure.strerror or "it cannot be read"
                return
            if not block:
                return
            left -= len(block)
            yield block

    def _gunzipped(self, packed: Iterator[bytes], size: int) -> Iterator[bytes]:
        inflater = zlib.decompressobj(wbits=_GZIP)
        is_begun = False
        for block in packed:
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

    def _unzstd(self, packed: Iterator[bytes], size: int) -> Iterator[bytes]:
        import zstandard  # few files are compressed so

        frames = _ZstdFrames(zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW))
        ready = bytearray()
        try:
            for block in packed:
                for start in range(0, len(block), _ZSTD_BYTES):
                    frames.unpack(block[start : start + _ZSTD_BYTES], ready)
                    if len(ready) >= size:
                        yield bytes(ready)
                        ready.clear()
            if frames.is_inside and not self.damage:
                self.damage = "the compressed file ends early"
        except zstandard.ZstdError:
            self.damage = "the compressed file is damaged"
        if ready:
            yield bytes(ready)


class _ZstdFrames:
    """Frames of zstd, one after another, with padding between them."""

    def __init__(self, decompressor: Any) -> None:
        self._decompressor = decompressor
        self._frame: Any = None

    @property
    def is_inside(self) -> bool:
        return self._frame is not None

    def unpack(self, data: bytes, ready: bytearray) -> None:
        while data:
            if self._frame is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._frame = self._decompressor.decompressobj()
            ready += self._frame.decompress(data)
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None


def _up_to_damage(inflater: Any, data: bytes) -> Iterator[bytes]:
    """What can be unpacked of a block that cannot be unpacked as a whole."""
    try:
        for start in range(0, len(data), 64):
            rest = data[start : start + 64]
            while rest and not inflater.eof:
                unpacked = inflater.decompress(rest, BLOCK_BYTES)
                if unpacked:
                    yield unpacked
                rest = inflater.unconsumed_tail
    except zlib.error:
        return

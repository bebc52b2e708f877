"""How much of a file is looked at at once: telemetry may be broken, and it may be hostile.

What is beyond a bound is counted as malformed and passed over; what stands beside it is read. The
bounds lie far above what agents write, and so low that the memory of a run stays bounded.
"""

from __future__ import annotations

LINE_BYTES = 16 * 1024 * 1024
"""Of one JSON object, and of one line."""

NESTING = 200
"""Brackets inside of brackets; far more would exhaust the stack of whoever looks into the value."""

VALUES = 1_000_000
"""Values of one object, as many as a full batch of a collector has; each takes up to 100 bytes."""

RECORDS_PER_DOCUMENT = 100_000

TEXT_CHARS = 8_192
"""Of one text of a record; previews are shorter by themselves."""

WORD_CHARS = 500
"""Of one word of a record, such as the name of a tool."""

STATE_BYTES = 1024 * 1024
"""Of what a reader remembers of a file."""

DISTINCT_KINDS = 200
"""Kinds that are counted apart among what was passed over; the others are counted together."""

DIRECTORY_DEPTH = 12
"""Directories inside of directories that are looked into."""

BLOCK_BYTES = 256 * 1024
"""Read or unpacked at once."""

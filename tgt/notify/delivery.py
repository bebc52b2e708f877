"""Handing a notification to one target: by a process of its own, which has a minute for it.

Whatever a notifier does (it hangs, exits, fills its memory, or a library of it prints) ends with
that process. It is given everything on its standard input, so that neither a credential nor a word
of telemetry stands among its arguments or in its environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from tgt.targets import Target

LONGEST_S = 60.0
"""How long a target may take."""

_PROGRAM = (sys.executable, "-P", "-m", "tgt.deliver")
_SECRETS = ("TASKGEN_NOTIFY", "TASKGEN_CLICKHOUSE_PASSWORD", "JOURNAL_STREAM")
"""What a notifier's process does not inherit: what is for other targets, and for other programs."""
_POLL_S = 0.05
_KEPT_BYTES = 4096
_READ_BYTES = 1 << 16
_REASON = 300


def deliver(target: Target, document: Mapping[str, Any], longest: float = LONGEST_S) -> str:
    """Why the target did not take the document; empty if it did. What it said is not masked, but
    for what the target itself says."""
    if not target.notifier:
        return "this is no target: accepted are the URLs of Apprise and exec:COMMAND"
    order = {"notifier": target.notifier, "place": target.place, "notification": dict(document)}
    payload = json.dumps(order).encode()
    try:
        status, output = _run(payload, longest)
    except OSError as failure:
        return f"no process can be started for it: {failure.strerror}"
    if status == 0:
        return ""
    reason = _reason(output)
    if status is None:
        reason = f"it did not answer within {longest:g} s" + (f": {reason}" if reason else "")
    elif not reason:
        reason = f"its process ended with status {status}"
    return target.redacted(reason)[:_REASON]


@contextmanager
def standard_input(payload: bytes) -> Iterator[IO[bytes]]:
    """A file in memory that holds the bytes: a process may read them, or leave it, as it likes."""
    with os.fdopen(os.memfd_create("notification", os.MFD_CLOEXEC), "w+b") as stream:
        stream.write(payload)
        stream.seek(0)
        yield stream


def _run(payload: bytes, longest: float) -> tuple[int | None, bytes]:
    """The exit status, None if time was up, and the end of what was said."""
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    reading, writing = os.pipe()
    with (
        standard_input(payload) as stream,
        os.fdopen(reading, "rb", 0),
        os.fdopen(writing, "wb", 0),
    ):
        os.set_blocking(reading, False)
        child = subprocess.Popen(  # noqa: S603 the program is this one
            _PROGRAM,
            stdin=stream,
            stdout=writing,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        output = b""
        deadline = time.monotonic() + longest
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(_POLL_S)
                output = _heard(reading, output)
                if child.returncode is not None or time.monotonic() >= deadline:
                    return child.returncode, output
        finally:
            if child.poll() is None:
                # Its session: what it has started goes with it.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def _heard(descriptor: int, before: bytes) -> bytes:
    """The last of what was said, without waiting for more."""
    while True:
        try:
            more = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return before
        before = (before + more)[-_KEPT_BYTES:]


def _reason(output: bytes) -> str:
    """The last line, which is the notifier's, and before it the last of what it has started."""
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines()]
    *others, last = [line.removeprefix("tgt: ") for line in lines if line] or [""]
    return f"{last}: {others[-1]}" if others else last

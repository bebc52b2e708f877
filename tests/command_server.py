"""Starts the command again and again without waiting each time for what it imports.

A server imports the program once, does nothing else with it, and for each command makes a copy of
itself: a process of its own with its own directory, environment, streams and exit, in which the
program runs from its first line to its last. What depends on how an interpreter begins (its
encoding, its warnings, when something is imported) is not asked of such a process but of one that
is really started: ``interpreter_is_as_usual`` tells which.

As a program this file is the server; the tests import ``Server``.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USUAL = {
    "LC_ALL": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "error",
}
"""What an interpreter looks at when it begins, or a library when it is imported."""

_LATER = ("TASKGEN_", "FGK_", "TGT_", "COLUMNS", "TMPDIR", "PYTHONPATH")
"""Beginnings of the names of variables that the program, or what it uses, reads when it runs; and
where plug-ins are found. What is imported already nothing takes the place of."""

_MOST_BYTES = 60_000


def interpreter_is_as_usual(environment: Mapping[str, str]) -> bool:
    """Whether nothing in it would have been seen before the program runs."""
    others = {name for name in environment if not name.startswith(_LATER)}
    return others == {"PATH", "HOME", *USUAL} and environment.items() >= USUAL.items()


@dataclass
class Server:
    """One server for the tests of one process; it begins with the first command."""

    _process: subprocess.Popen[bytes] | None = None
    _channel: socket.socket | None = field(default=None, repr=False)

    def run(
        self,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str],
        stdin: bytes,
        timeout: float,
    ) -> tuple[int, bytes, bytes] | None:
        """Status and streams of a command, as subprocess tells them; None where the server cannot
        be told so much."""
        request = json.dumps([list(arguments), str(directory), dict(environment)]).encode()
        if len(request) > _MOST_BYTES:
            return None
        channel = self._begun()
        (its_in, to_it), (out, its_out), (err, its_err) = os.pipe(), os.pipe(), os.pipe()
        socket.send_fds(channel, [request], [its_in, its_out, its_err])
        for descriptor in (its_in, its_out, its_err):
            os.close(descriptor)
        told: dict[int, bytes] = {}
        readers = [threading.Thread(target=_read, args=(each, told)) for each in (out, err)]
        for reader in readers:
            reader.start()
        channel.settimeout(timeout)
        number = json.loads(channel.recv(100))
        with contextlib.suppress(BrokenPipeError), os.fdopen(to_it, "wb") as stream:
            stream.write(stdin)
        try:
            status = int(json.loads(channel.recv(100)))
        except TimeoutError:
            os.kill(number, signal.SIGKILL)
            channel.settimeout(None)
            channel.recv(100)
            raise subprocess.TimeoutExpired(list(arguments), timeout) from None
        finally:
            for reader in readers:
                reader.join()
        return status, told[out], told[err]

    def _begun(self) -> socket.socket:
        if self._channel is None:
            self._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with other:
                self._process = subprocess.Popen(
                    [sys.executable, __file__, str(other.fileno())],
                    env={"PATH": os.defpath, "HOME": "/nonexistent", **USUAL},
                    cwd="/",
                    pass_fds=[other.fileno()],
                    # Streams of the kind that those of a command are.
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
        return self._channel

    def end(self) -> None:
        if self._channel is not None and self._process is not None:
            self._channel.close()
            _, errors = self._process.communicate()
            assert (self._process.returncode, errors.decode()) == (0, "")
            self._channel = self._process = None


def _read(descriptor: int, told: dict[int, bytes]) -> None:
    with os.fdopen(descriptor, "rb") as stream:
        told[descriptor] = stream.read()


# --- the server ----------------------------------------------------------------------------------


def _serve(channel: socket.socket) -> list[str] | None:
    """Returns in each process that is to be a command with its arguments, and None at the end."""
    while True:
        request, descriptors, *_ = socket.recv_fds(channel, _MOST_BYTES, 3)
        if not request:
            return None
        number = os.fork()
        if number == 0:
            channel.close()
            return _become(json.loads(request), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(number).encode())
        _, status = os.waitpid(number, 0)
        channel.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _become(request: Any, descriptors: Sequence[int]) -> list[str]:
    arguments, directory, environment = request
    for stream, descriptor in enumerate(descriptors):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    more = environment.get("PYTHONPATH")
    sys.path[:1] = [directory, *(more.split(os.pathsep) if more else ())]
    return [str(each) for each in arguments]


def _main() -> None:
    import tgt

    for module in pkgutil.walk_packages(tgt.__path__, "tgt."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a copy has no thread but one"
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        arguments = _serve(channel)
    if arguments is not None:
        sys.argv[1:] = arguments
        runpy.run_module("tgt", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()

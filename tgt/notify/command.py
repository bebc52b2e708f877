"""The notifier ``exec``: a command that gets the notification as JSON on its standard input.

No shell reads the command, and nothing of a notification is ever part of it. It took the
notification when its exit status is 0.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from tgt.errors import TgtError
from tgt.notify.delivery import standard_input


def send(command: str, notification: Mapping[str, Any]) -> None:
    """Raises TgtError where nobody was told."""
    try:
        words = shlex.split(command)
    except ValueError as problem:
        raise TgtError(f"the command cannot be split into words: {problem}") from None
    if not words:
        raise TgtError("there is no command behind exec:")
    payload = json.dumps(notification).encode() + b"\n"
    try:
        with standard_input(payload) as stream:
            done = subprocess.run(words, stdin=stream, check=False)  # noqa: S603 that of the settings
    except (OSError, ValueError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else str(failure)
        raise TgtError(f"the command cannot be started: {reason}") from None
    if done.returncode < 0:
        raise TgtError(f"the command was ended by signal {-done.returncode}")
    if done.returncode:
        raise TgtError(f"the command ended with status {done.returncode}")

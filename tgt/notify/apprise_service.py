"""The notifier ``apprise``: a service that Apprise reaches, such as mail, Slack or a desktop.

A message is plain text for people. What chat services would act on in a text of telemetry, such as
the mention of everybody in a channel, is written so that they do not.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tgt.errors import TgtError

_MOST = 20
_TEXT = 300
# Mentions (@everyone, <!channel>) and links with another text than their address.
_ACTED_ON = str.maketrans({"@": "＠", "<": "‹", ">": "›", "[": "(", "]": ")", "`": "'"})
_SHORT_ID = 8
_ULID = 26


def send(url: str, notification: Mapping[str, Any]) -> None:
    """Raises TgtError where nobody was told."""
    warnings.simplefilter("ignore")  # what its libraries deprecate is for those who write them
    try:
        import apprise
    except ImportError:
        raise TgtError(
            "the package apprise is not installed",
            hint=f"install it with pip install 'tgt[notify]', or with {sys.executable} -m pip"
            " install apprise",
        ) from None
    last_record = _LastRecord()
    logging.getLogger("apprise").addHandler(last_record)
    service = apprise.Apprise()
    if not service.add(url):
        raise TgtError("Apprise knows no such service, or cannot use its URL")
    title, body = message(notification["notification"])
    if not service.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT):
        raise TgtError(last_record.last or "the service did not take it")


def message(notification: Mapping[str, Any]) -> tuple[str, str]:
    """The title and the text that people get."""
    tasks: Sequence[Mapping[str, str]] = notification["tasks"]
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task["change"]] = counts.get(task["change"], 0) + 1
    what = ", ".join(f"{count} {change}" for change, count in counts.items())
    title = f"tgt: {what}" if notification["kind"] == "digest" else "tgt: a test"
    lines = [line for task in tasks[:_MOST] for line in _lines(task)]
    if len(tasks) > _MOST:
        lines.append(f"... and {len(tasks) - _MOST} more: tgt list")
    return title, "\n".join(lines)


def _lines(task: Mapping[str, str]) -> Iterator[str]:
    head = f"{task['change'].upper()} ({task['severity']}) {_harmless(task['title'])}"
    yield head
    if task["text"]:
        yield f"    {_harmless(task['text'])}"
    task_id = _harmless(task["id"])
    yield f"    {_harmless(task['subject'])} - tgt show {_short(task_id)}"


def _short(task_id: str) -> str:
    """The end of an id, which is what tells it from others."""
    return task_id[-_SHORT_ID:] if len(task_id) == _ULID else task_id


def _harmless(text: str) -> str:
    return text[:_TEXT].translate(_ACTED_ON)


class _LastRecord(logging.Handler):
    """Keeps the last complaint of the library, and keeps it from standard error."""

    last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.last = record.getMessage()

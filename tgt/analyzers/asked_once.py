"""A snapshot of which each question is asked once, for many cards that ask the same."""

from __future__ import annotations

from collections.abc import Callable, Sized
from functools import wraps
from typing import Any, cast

from tgt.engine.protocol import Snapshot

_MOST = 2000
"""Answers about more subjects are not kept: they would fill the memory."""


def asked_once(snapshot: Snapshot) -> Snapshot:
    """The same answers; what was asked before is not asked again."""
    return cast("Snapshot", _AskedOnce(snapshot))


class _AskedOnce:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getattr__(self, name: str) -> Any:
        """A question, or a value, of the snapshot's; looked up here once."""
        value = getattr(self._snapshot, name)
        if callable(value):
            value = _once(value)
        setattr(self, name, value)
        return value


def _once(ask: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[Any, Any] = {}

    @wraps(ask)
    def asked(*arguments: Any, **named: Any) -> Any:
        question = (arguments, tuple(named.items()))
        if question in answers:
            return answers[question]
        answer = ask(*arguments, **named)
        if not isinstance(answer, Sized) or len(answer) <= _MOST:
            answers[question] = answer
        return answer

    return asked

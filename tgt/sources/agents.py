"""What the logs of coding agents have in common, whatever their format.

A log that is appended to is read in stretches, so a reader keeps what it must know of earlier
lines: ids, times and words, few of each (``Recent``), and never a text of a prompt, an answer or a
tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgt.sources.coerce import number, parsed, truth
from tgt.templates.lines import ends

COPY = 2**62
"""Taken off the revision of a record that stands in a copied history: the original is the truth."""

_LOOKED_AT = 20_000
_LONGEST_ENVELOPE = 1 << 20
_UNIQUE = 20  # characters; ids of providers have 24 and more
_EXIT_CODES = ("exit_code", "exitCode", "returncode", "return_code")
_HTTP = ("status_code", "statusCode", "http_status", "httpStatus", "status", "code")
ENVELOPE_NAMES = ("isError", "is_error", "ok", "success", *_EXIT_CODES, *_HTTP)
"""What of an envelope says whether a call failed."""


class Recent(dict[str, Any]):
    """A dictionary that forgets its oldest entries when it has more than ``most``.

    An entry that is set again counts as new.
    """

    def __init__(self, most: int, entries: Mapping[str, Any] | None = None) -> None:
        super().__init__(entries or {})
        self._most = most

    def __setitem__(self, key: str, value: Any) -> None:
        self.pop(key, None)
        super().__setitem__(key, value)
        while len(self) > self._most:
            del self[next(iter(self))]


def identity(kind: str, name: str, scope: str | None) -> str:
    """The key of what is called ``name``. Ids that a provider made are unique everywhere, so a copy
    of a history has the same keys; short ones are only within their conversation."""
    return f"{kind}:{name}" if len(name) >= _UNIQUE else f"{kind}:{scope}:{name}"


def is_added_tool(name: str) -> bool:
    """Whether the name is of a tool that somebody added to a coding agent."""
    return name.startswith("mcp") or "__" in name


def owner(tool: str) -> str:
    """The actor of a call: an agent's own tools are the agent, and its maker documents them."""
    return "tool" if is_added_tool(tool) else "assistant"


def says_failure(envelope: Any) -> bool:
    """Whether what a call gave back says itself that it failed: ``isError``, ``ok: false``, an
    exit code, an HTTP status. ``envelope`` is an object or the JSON text of one."""
    if isinstance(envelope, str):
        envelope = _parsed(envelope)
    if not isinstance(envelope, dict):
        return False
    return (
        any(truth(envelope.get(name)) is True for name in ("isError", "is_error"))
        or any(_is_no(envelope.get(name)) for name in ("ok", "success"))
        or any(_is_bad_exit(envelope.get(name)) for name in _EXIT_CODES)
        or any(400 <= (number(envelope.get(name)) or 0) < 600 for name in _HTTP)  # noqa: PLR2004
    )


def _is_no(value: Any) -> bool:
    """Whether a value is false, also as a word; a number may count something."""
    return value is False or (isinstance(value, str) and value != "0" and truth(value) is False)


def _is_bad_exit(code: Any) -> bool:
    """Whether a process ended badly; a negative code is a signal's that ended it."""
    if isinstance(code, str):
        return bool(number(code.removeprefix("-")))
    return isinstance(code, int | float) and not isinstance(code, bool) and bool(number(abs(code)))


def _parsed(text: str) -> Any:
    if text.lstrip()[:1] != "{" or len(text) > _LONGEST_ENVELOPE:
        return None
    return parsed(text)


def full_text(content: Any) -> str:
    """The text of a message or a result, as far as anybody looks at it."""
    if isinstance(content, str):
        return ends(content, _LOOKED_AT)
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content[:64] if isinstance(part, dict)]
    return ends("\n".join(part for part in parts if isinstance(part, str)), _LOOKED_AT)

"""What class the failures of requests are that Claude Code tells.

A field of the line decides; only lines of versions that had none are understood by their wording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tgt.sources.coerce import http_class, number, preview, text

LENGTH, ABORTED = "length", "aborted"
"""What an error of the API may be that is none: an answer that was cut off, and a user's stop."""

_CLASSES = {
    "rate_limit": "http_429",
    "authentication_failed": "http_401",
    "authentication_error": "http_401",
    "oauth_org_not_allowed": "http_403",
    "permission_error": "http_403",
    "billing_error": "billing",
    "invalid_request": "http_400",
    "model_not_found": "http_404",
    "overloaded": "http_529",
    "overloaded_error": "http_529",
    "server_error": "http_500",
    "max_output_tokens": LENGTH,
}
# The words that are the same whatever status came with them.
_CERTAIN = frozenset(("billing", LENGTH))
_CONNECTION = re.compile(
    r"timed?[ -]?out|connection|connect\b|network|socket|fetch failed|E(?:CONN|NOTFOUND|PIPE|AI_)"
    r"|certificate|tunnel|proxy|offline|internet",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(r"API Error:?\s*\(?\s*(?:status code )?([45]\d\d)\b")
# How versions said it that had neither a word nor a status for it.
_SAID = (
    (re.compile(r"output token maximum|max_output_tokens"), LENGTH),
    (re.compile(r"request was aborted", re.IGNORECASE), ABORTED),
    (re.compile(r"credit balance|billing", re.IGNORECASE), "billing"),
    (re.compile(r"limit reached|hit your .{0,20}limit|rate.?limit", re.IGNORECASE), "http_429"),
    (re.compile(r"api key|/login|not logged in|oauth|authenticat", re.IGNORECASE), "http_401"),
    (re.compile(r"overloaded", re.IGNORECASE), "http_529"),
    (re.compile(r"prompt is too long|invalid.request|too large", re.IGNORECASE), "http_400"),
    (_CONNECTION, "network"),
)


def message_error(line: Mapping[str, Any], said: str) -> str:
    """The class of the failure that an answer is which Claude Code made up itself: ``http_429``,
    ``billing``, ``network``, ...; LENGTH or ABORTED where it is no failure of the API."""
    kind = _CLASSES.get(text(line.get("error")) or "")
    if kind in _CERTAIN:
        return str(kind)
    status = http_class(line.get("apiErrorStatus"))
    if status is not None:
        return status
    if kind == "http_500":
        # Whatever the server did not say is called so as well.
        if re.search("overloaded", said, re.IGNORECASE):
            return "http_529"
        return "network" if _CONNECTION.search(said) else _status_in(said) or kind
    return kind or _status_in(said) or _by_wording(said)


def _status_in(said: str) -> str | None:
    found = _IN_TEXT.search(said)
    return http_class(found[1]) if found else None


def _by_wording(said: str) -> str:
    return next((kind for wording, kind in _SAID if wording.search(said)), "api_error")


def request_error(line: Mapping[str, Any]) -> tuple[str, str | None]:
    """The class and the text of a request that failed and may be tried again."""
    told = line.get("error")
    error = told if isinstance(told, dict) else {}
    inner = error.get("error")
    for _ in range(2):  # the body of the response, and the error in it
        if isinstance(inner, dict) and isinstance(inner.get("error"), dict):
            inner = inner["error"]
    nested = inner.get("message") if isinstance(inner, dict) else None
    said = text(error.get("formatted")) or text(error.get("message")) or text(nested) or text(told)
    cause = _cause(line, error)
    if cause and cause not in (said or ""):
        said = f"{said} ({cause})" if said else cause
    kind = http_class(error.get("status")) or _status_in(said or "")
    return kind or "network", preview(said)


def _cause(line: Mapping[str, Any], error: Mapping[str, Any]) -> str | None:
    for holder in (line.get("cause"), error.get("cause"), error.get("connection"), error):
        code = text(holder.get("code")) if isinstance(holder, dict) else None
        if code and number(code) is None:
            return code
    return None

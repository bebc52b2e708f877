"""What class the failures of requests are that Claude Code tells.

A field of the line decides; only lines of versions that had none are understood by their wording.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from tgt.sources.coerce import http_class, number, preview, text

LENGTH, ABORTED = "length", "aborted"
"""What an error of the API may be that is none: an answer that was cut off, and a user's stop."""

_CLASSES = {
    **dict.fromkeys(("rate_limit", "rate_limit_error", "usage_limit"), "http_429"),
    **dict.fromkeys(("authentication_failed", "authentication_error"), "http_401"),
    **dict.fromkeys(("oauth_org_not_allowed", "permission_error", "permission_denied"), "http_403"),
    **dict.fromkeys(("billing_error", "billing", "credit_balance_too_low"), "billing"),
    **dict.fromkeys(("invalid_request", "invalid_request_error"), "http_400"),
    **dict.fromkeys(("prompt_too_long", "context_length_exceeded"), "http_400"),
    **dict.fromkeys(("model_not_found", "not_found", "not_found_error"), "http_404"),
    **dict.fromkeys(("request_too_large", "request_too_large_error"), "http_413"),
    **dict.fromkeys(("overloaded", "overloaded_error"), "http_529"),
    **dict.fromkeys(("server_error", "api_error", "internal_server_error"), "http_500"),
    **dict.fromkeys(("timeout", "timeout_error", "connection_error", "network_error"), "network"),
    **dict.fromkeys(("max_output_tokens", "max_tokens"), LENGTH),
}
_STOPS = frozenset(("AbortError", "APIUserAbortError"))
_DEEPEST = 8
# The words that are the same whatever status came with them.
_CERTAIN = frozenset(("billing", LENGTH))
_CONNECTION = re.compile(
    r"timed?[ -]?out|connection|connect\b|network|socket|fetch failed|\bE(?:CONN|NOTFOUND|PIPE|AI_)"
    r"|certificate|tunnel|proxy|offline|internet|premature close|stalled|idle",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(r"API Error:?\s*\(?\s*(?:status code )?([45]\d\d)\b")
# How versions said it that had neither a word nor a status for it.
_SAID = (
    (re.compile(r"output token maximum|max_output_tokens|context window limit"), LENGTH),
    (re.compile(r"request was aborted", re.IGNORECASE), ABORTED),
    (re.compile(r"credit balance|billing", re.IGNORECASE), "billing"),
    (
        re.compile(
            r"limit reached|(?:hit|reached) your .{0,20}limit|rate.?limit|out of extra",
            re.IGNORECASE,
        ),
        "http_429",
    ),
    (re.compile(r"api key|/login|not logged in|oauth|authenticat", re.IGNORECASE), "http_401"),
    (re.compile(r"overloaded", re.IGNORECASE), "http_529"),
    (re.compile(r"prompt is too long|invalid.request|too large", re.IGNORECASE), "http_400"),
    (re.compile(r"selected model|model .{0,80}(?:not exist|not found)", re.IGNORECASE), "http_404"),
    (_CONNECTION, "network"),
    (re.compile(r"internal server error|server is busy", re.IGNORECASE), "http_500"),
)


def message_error(line: Mapping[str, Any], message: str) -> str:
    """The class of the failure that an answer is which Claude Code made up itself: ``http_429``,
    ``billing``, ``network``, ...; LENGTH or ABORTED where it is no failure of the API."""
    kind = _class_of(line.get("error"))
    if kind in _CERTAIN:
        return str(kind)
    status = http_class(line.get("apiErrorStatus"))
    if status is not None:
        return status
    if kind == "http_500":
        # Whatever the server did not say is called so as well.
        if re.search("overloaded", message, re.IGNORECASE):
            return "http_529"
        return "network" if _CONNECTION.search(message) else _status_in(message) or kind
    return kind or _status_in(message) or _by_wording(message)


def _class_of(error: Any) -> str | None:
    """What the word of an error says, which may stand in an object."""
    if isinstance(error, dict):
        return _class_of(error.get("error")) or _CLASSES.get(text(error.get("type")) or "")
    return _CLASSES.get(text(error) or "")


def _status_in(message: str) -> str | None:
    match = _IN_TEXT.search(message)
    return http_class(match[1]) if match else None


def _by_wording(message: str) -> str:
    return next((kind for wording, kind in _SAID if wording.search(message)), "api_error")


def request_error(line: Mapping[str, Any]) -> tuple[str, str | None]:
    """The class and the text of a request that failed and may be tried again; ABORTED where that
    was a user's stop."""
    value = line.get("error")
    error = value if isinstance(value, dict) else {}
    inner = error.get("error")
    for _ in range(2):  # the body of the response, and the error in it
        if isinstance(inner, dict) and isinstance(inner.get("error"), dict):
            inner = inner["error"]
    nested = inner.get("message") if isinstance(inner, dict) else None
    message = (
        text(error.get("formatted")) or text(error.get("message")) or text(nested) or text(value)
    )
    code, cause = _cause(line, error)
    if code and code not in (message or ""):
        message = f"{message} ({code})" if message else code
    message = message or cause
    kind = http_class(error.get("status")) or _status_in(message or "") or _class_of(value)
    if kind is None:
        by_words = _by_wording(message or "")
        is_stop = bool({cause, text(error.get("name"))} & _STOPS) or by_words == ABORTED
        kind = ABORTED if is_stop else by_words if by_words.startswith("http_") else "network"
    return kind, preview(message)


def _cause(line: Mapping[str, Any], error: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The code of what cut a connection, and else what it says of itself."""
    holders = [line.get("cause"), error.get("cause"), error.get("connection"), error]
    message = None
    for holder in islice(holders, _DEEPEST):
        if not isinstance(holder, dict):
            continue
        code = text(holder.get("code"))
        if code and number(code) is None:
            return code, message
        message = message or text(holder.get("message")) or text(holder.get("name"))
        holders.append(holder.get("cause"))
    return None, message

"""How calls and requests of Claude Code ended, in all the wordings that its versions have.

A tool's result is a text for the model, so what it means must be read from how it begins; a field
that says so goes first. Only beginnings are looked at: what a command printed is no statement of
the agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tgt.sources.agents import full_text, is_added_tool, says_failure
from tgt.sources.coerce import http_class, number, preview, text

LENGTH, ABORTED = "length", "aborted"
"""What an error of the API may be that is none: an answer that was cut off, and a user's stop."""

_REFUSED = re.compile(
    r"(?:Error: |<tool_use_error>)?(?:"
    r"The user doesn't want to |"
    r"(?:The )?user (?:has )?(?:rejected|declined|denied|refused|chose to stay)\b|"
    r"The agent proposed a plan that was rejected|"
    r"Permission (?:to|for) .{1,2000}?\b(?:was|has been) (?:auto-)?denied|"
    r"Claude requested permissions? .{1,2000}?(?:haven't granted|sensitive file|approv)"
    r")",
    re.IGNORECASE | re.DOTALL,
)
# What a tool that somebody added may say as well, of something else.
_REFUSED_OWN = re.compile(
    r"(?:Error: |<tool_use_error>)?(?:"
    r"Permission (?:(?:was |has )?not (?:been )?granted|(?:was|has been) denied)|"
    r"[^\n]{0,200}\bstay(?:ed|s|ing)? in plan mode|"
    r"(?:This|The|Command|Tool) [^\n]{0,2000}?\brequires? (?:\w+ )?approval|"
    r"Approval (?:is |was )?(?:required|denied|needed)|"
    r"[^\n]{0,2000}was blocked\. For security, Claude Code|"
    r"(?:(?:This |The )?(?:tool use|tool call|tool|request|action|command|edit) )?"
    r"(?:was |has been )?(?:auto-)?(?:denied|rejected|declined)\b"
    r")",
    re.IGNORECASE,
)
_INTERRUPTED = re.compile(r"^\[Request interrupted by user[^\]\n]*\]$", re.MULTILINE)
_EXIT = re.compile(r"(?:Error: )?Exit code -?\d+")
_HOOK = re.compile(r"(?:Hook )?\w+:\S+ (?:hook (?:error|\w+ error)|\[|denied this tool)|\S* ?hook ")
_SIBLING = re.compile(
    r"(?:<tool_use_error>)?(?:Sibling tool call errored|Cancelled: parallel tool call)"
)
_DENIALS = frozenset(("user-rejected", "permission-rule", "denied", "rejected"))


def outcome(line: Mapping[str, Any], block: Mapping[str, Any], tool: str | None) -> dict[str, Any]:
    """``failed``, ``error_type`` and the like of the call whose result the block of a line is."""
    told = line.get("toolUseResult")
    said = full_text(block.get("content"))
    is_error = bool(block.get("is_error"))
    denial = text(line.get("toolDenialKind")) or ""
    is_added = is_added_tool(tool or "")
    if (
        denial == "interrupted"
        or (isinstance(told, dict) and told.get("interrupted") is True)
        or (is_error and _INTERRUPTED.search(said))
    ):
        return {"failed": None, "cancelled": True, "error_type": "interrupted"}
    if denial in _DENIALS or (is_error and _is_refusal(line, said, is_own=not is_added)):
        return {"failed": None, "error_type": "user_rejected"}
    if not is_error:
        soft = says_failure(told) or (is_added and says_failure(said))
        return {"failed": False, "soft_failed": soft}
    return {"failed": True, "error": preview(said), "error_type": _class(said)}


def _is_refusal(line: Mapping[str, Any], said: str, *, is_own: bool) -> bool:
    told = line.get("toolUseResult")
    decision = line.get("permissionDecision")
    word = text(decision.get("decision")) if isinstance(decision, dict) else None
    return (
        word in {"reject", "deny", "denied"}
        or (isinstance(told, str) and told.startswith("User rejected"))
        or bool(_REFUSED.match(said))
        or (is_own and bool(_REFUSED_OWN.match(said)))
    )


def _class(said: str) -> str:
    if _EXIT.match(said):
        return "exit_code"
    if _SIBLING.match(said):
        return "sibling_error"
    if said.startswith("<tool_use_error>"):
        return "misuse"
    return "hook" if _HOOK.match(said) else "tool_error"


# --- the API -------------------------------------------------------------------------------------

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

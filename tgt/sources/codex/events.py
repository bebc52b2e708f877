"""Events of a rollout that tell how a call or a turn ended, newer than the items that do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tgt.sources.agents import full_text, says_failure
from tgt.sources.codex.outputs import REFUSED, Ending, is_error, qualified, whole
from tgt.sources.coerce import finish, http_class, number, text


class Finished(NamedTuple):
    """A call as an event of its end tells it."""

    call: str
    name: str
    ending: Ending
    given: Any = None
    result: str | None = None
    is_nested: bool = True  # it may be one that no item of a response tells


def finished(payload: Mapping[str, Any]) -> Finished | None:
    """The call that an event tells the end of; None if it is of something else."""
    item = payload.get("item")
    if payload.get("type") == "item_completed" and isinstance(item, dict):
        payload = item
    event, kind = payload, (text(payload.get("type")) or "").replace("_", "").lower()
    call = text(event.get("call_id")) or text(event.get("id"))
    read = _READERS.get(kind)
    return read(event, call) if read is not None and call is not None else None


def _command(event: Mapping[str, Any], call: str) -> Finished | None:
    source = (text(event.get("source")) or "").replace("_", "").lower()
    if source == "usershell":
        return None  # the person ran it
    code = whole(event.get("exit_code", event.get("exitCode")))
    out = next((t for key in _OUTPUTS if (t := text(event.get(key)))), None)
    end = _ended(event, out, failed=None if code is None else code != 0, kind="exit_code")
    words = event.get("command")
    arguments = words[-1] if isinstance(words, list) and words else words  # behind a shell's -lc
    is_nested = source != "unifiedexecinteraction"
    return Finished(call, "exec_command", end, arguments, out, is_nested)


_OUTPUTS = ("aggregated_output", "aggregatedOutput", "stderr", "stdout", "formatted_output")


def _mcp(event: Mapping[str, Any], call: str) -> Finished:
    invocation = event.get("invocation")
    where = invocation if isinstance(invocation, dict) else event
    server, tool = text(where.get("server")) or "", text(where.get("tool")) or "unknown"
    result = event.get("result")
    if isinstance(result, dict) and len(result) == 1 and ("Ok" in result or "Err" in result):
        failed, result = "Err" in result, next(iter(result.values()))
    else:
        failed = result is not None and not isinstance(result, dict)
    error = event.get("error")
    failed = failed or bool(error)
    if isinstance(result, dict):
        failed = failed or is_error(result)
        message = full_text(result.get("content"))
    else:
        message = full_text(result)
    if isinstance(error, dict):
        message = text(error.get("message")) or message
    end = _ended(event, message, failed=failed)
    if end.failed is False:
        end = end._replace(soft=says_failure(message))
    if failed and REFUSED.match(message):
        end = Ending(None, "user_rejected")
    return Finished(call, f"mcp__{server}__{tool}", end, where.get("arguments"), message or None)


def _dynamic(event: Mapping[str, Any], call: str) -> Finished:
    name = qualified(text(event.get("namespace")), text(event.get("tool")) or "unknown")
    message = text(event.get("error")) or full_text(event.get("content_items"))
    success = event.get("success")
    failed = None if success is None and not event.get("error") else success is not True
    return Finished(
        call, name, _ended(event, message, failed=failed), event.get("arguments"), message
    )


def _patch(event: Mapping[str, Any], call: str) -> Finished:
    message = text(event.get("stderr")) or text(event.get("stdout"))
    success = event.get("success")
    end = _ended(event, message, failed=None if success is None else not success)
    return Finished(call, "apply_patch", end, event.get("changes"), message)


def _plain(name: str) -> Any:
    def read(event: Mapping[str, Any], call: str) -> Finished:
        return Finished(call, name, _ended(event, None, failed=None), is_nested=False)

    return read


def _ended(
    event: Mapping[str, Any], message: str | None, *, failed: bool | None, kind: str = "tool_error"
) -> Ending:
    """``failed`` where it is told, else as the status says."""
    status = (text(event.get("status")) or "").lower()
    seconds = _seconds(event)
    if status == "declined":
        return Ending(None, "user_rejected")
    if failed is None and status:
        failed = {"completed": False, "failed": True}.get(status)
        kind = "tool_error"
    return Ending(failed, kind if failed else None, message, seconds)


def _seconds(event: Mapping[str, Any]) -> float | None:
    length = event.get("duration")
    if not isinstance(length, dict):
        ms = number(event.get("duration_ms", event.get("durationMs")))
        return None if ms is None else ms / 1000
    whole, nanos = number(length.get("secs")), number(length.get("nanos"))
    return None if whole is None else whole + (nanos or 0) / 1e9


_READERS = {
    "commandexecution": _command,
    "execcommandend": _command,
    "mcptoolcall": _mcp,
    "mcptoolcallend": _mcp,
    "dynamictoolcall": _dynamic,
    "dynamictoolcallresponse": _dynamic,
    "filechange": _patch,
    "patchapplyend": _patch,
    "websearch": _plain("web_search"),
    "imageview": _plain("view_image"),
}


# --- turns ----------------------------------------------------------------------------------------

_STATUS = re.compile(r"\b(?:status|code|http)\D{0,12}([45]\d\d)\b", re.IGNORECASE)
_INCOMPLETE = re.compile(r"Incomplete response returned, reason: (\w+)")
_CONNECTION = re.compile(
    r"stream disconnected|connection|timed? ?out|network|error sending", re.IGNORECASE
)
_CLASSES = {
    **dict.fromkeys(("usagelimitexceeded", "ratelimited", "quotaexceeded"), "http_429"),
    "serveroverloaded": "http_503",
    "internalservererror": "http_500",
    "unauthorized": "http_401",
    "badrequest": "http_400",
    "httpconnectionfailed": "network",
    "responsestreamconnectionfailed": "network",
    "responsestreamdisconnected": "network",
    "responsetoomanyfailedattempts": "network",
    "contextwindowexceeded": "context_window_exceeded",
    "cyberpolicy": "content_filter",
    "sandboxerror": "sandbox_error",
    "sessionbudgetexceeded": "budget",
}


# What messages say of whose class nothing else tells.
_SAID = (
    (re.compile(r"usage limit|rate.?limit|too many requests|quota", re.IGNORECASE), "http_429"),
    (re.compile(r"context window|context length", re.IGNORECASE), "context_window_exceeded"),
    (re.compile(r"high demand|at capacity|overloaded", re.IGNORECASE), "http_503"),
    (re.compile(r"internal server error", re.IGNORECASE), "http_500"),
    (
        re.compile(r"unauthorized|access token|sign in again|log in again", re.IGNORECASE),
        "http_401",
    ),
    (_CONNECTION, "network"),
)


def incomplete(message: str | None) -> str | None:
    """The finish reason of a response of which the error of its turn says that it was not
    finished."""
    match = _INCOMPLETE.search(message or "")
    return finish(match[1]) if match else None


def error_class(info: Any, message: str | None) -> str:
    """The class of an API's failure: as ``codex_error_info`` tells it, else as the text does."""
    word, detail = text(info) or "", None
    if isinstance(info, dict) and info:
        word, detail = next(iter(info.items()))
    kind = _CLASSES.get(str(word).replace("_", "").lower())
    match = _STATUS.search((message or "")[:2000])
    status = match[1] if match else None
    if isinstance(detail, dict):
        status = next(
            (v for key in ("http_status_code", "httpStatusCode") if (v := detail.get(key))), status
        )
    if kind == "network" or kind is None:
        kind = http_class(status) or kind
    if kind is None:
        looked_at = (message or "")[:2000]
        kind = next((kind for wording, kind in _SAID if wording.search(looked_at)), None)
    return kind or "api_error"

"""How calls and turns of Codex ended, in all the shapes that its versions have.

A call's output is a text for the model. Codex writes a header before what a command printed, or
wraps both in an object; only these say how it went, never a sentence of the output, and an exit
code only of tools that run commands. Newer versions tell the same in events of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tgt.sources.agents import full_text, is_added_tool, says_failure
from tgt.sources.coerce import finish, http_class, number, preview, text

RUNNERS = frozenset(
    (
        *("shell", "shell_command", "local_shell", "exec_command", "write_stdin", "unified_exec"),
        *("container.exec", "bash"),
    )
)
_OWN_NAMESPACES = ("functions", "multi_agent", "collab", "agents", "web", "image_gen", "container")
_HEADER = re.compile(
    r"Chunk ID: .*|Wall time:? (?P<seconds>[\d.]{1,15}) seconds|Total output lines: \d+"
    r"|(?:Process exited with code|Exit code:) (?P<code>-?\d{1,10})|Original token count: \d+"
    r"|Process running with session ID .*|Script (?:completed|failed|running|terminated).*"
)
_FAILED = (
    *("unsupported call", "unsupported custom tool call", "failed to ", "execution error:"),
    *("apply_patch verification failed", "patch rejected", "exec_command failed", "error:"),
    *("write_stdin failed", "unable to ", "tool call error", "unknown process id", "script failed"),
    *("sandbox error", "invalid patch", "no such tool", "err:", "collab spawn failed"),
)
# What is said of any tool, also of one that somebody added.
_FAILED_ADDED = ("unsupported call", "failed to parse function arguments", "tool call error")
_REFUSED = re.compile(
    r"(?:exec command |patch |apply_patch |command |tool call )?(?:was )?"
    r"(?:rejected|declined|denied) by (?:the )?user|exec command rejected"
    r"|user (?:rejected|cancelled|canceled|declined|denied)\b"
    r"|.{0,4000}Rejected\(\\*\"rejected by user",
    re.IGNORECASE | re.DOTALL,
)
_INTERRUPTED = re.compile(r"aborted by (?:the )?user|interrupted by (?:the )?user", re.IGNORECASE)


class Ending(NamedTuple):
    """How a call ended; ``seconds`` that it ran, if they are told."""

    failed: bool | None
    kind: str | None = None
    error: str | None = None
    seconds: float | None = None
    soft: bool = False
    cancelled: bool = False

    def columns(self) -> dict[str, Any]:
        return {
            "failed": self.failed,
            "soft_failed": self.soft,
            "cancelled": self.cancelled,
            "error_type": self.kind,
            "error": preview(self.error) if self.failed else None,
        }


def tool_name(payload: Mapping[str, Any], kind: str) -> str:
    """The name of a called tool, with the server that it is of: ``mcp__crm__find``."""
    name = text(payload.get("name")) or kind.removesuffix("_call")
    return qualified(text(payload.get("namespace")), name)


def qualified(namespace: str | None, name: str) -> str:
    if not namespace or namespace.startswith(_OWN_NAMESPACES) or name.startswith(namespace):
        return name
    return f"{namespace.removesuffix('__')}__{name}"


def said_in(output: Any) -> str:
    """The text of an output."""
    return _parts(output)[0]


def ending(output: Any, tool: str | None) -> Ending:
    """What an output says of its call."""
    said, envelope = _parts(output)
    header, body = _split(said)
    metadata = envelope.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    seconds = number(metadata.get("duration_seconds"))
    seconds = number(header.get("seconds")) if seconds is None else seconds
    code = _whole(metadata.get("exit_code"))
    if code is None and (tool is None or tool in RUNNERS):
        code = _whole(header.get("code"))
    if code is not None:
        failed = code != 0
        return Ending(failed, "exit_code" if failed else None, body.strip() or said, seconds)
    if _REFUSED.match(body):
        return Ending(None, "user_rejected")
    if _INTERRUPTED.match(body):
        return Ending(None, "interrupted", cancelled=True)
    is_added = is_added_tool(tool or "")
    prefixes = _FAILED_ADDED if is_added else _FAILED
    told = (*said.lower()[:60].splitlines()[:1], body.lower()[:60])
    is_error = _is_error(envelope) or (is_added and _is_error(_object(body)))
    if is_error or any(line.startswith(prefixes) for line in told):
        return Ending(True, "tool_error", body.strip() or said, seconds)
    return Ending(False, seconds=seconds, soft=is_added and says_failure(body))


def _is_error(envelope: Mapping[str, Any]) -> bool:
    return envelope.get("success") is False or any(
        envelope.get(name) is True for name in ("isError", "is_error")
    )


def _parts(output: Any) -> tuple[str, Mapping[str, Any]]:
    """An output's text and what is told beside it: of a text, an object, or an object as text."""
    envelope = _object(output)
    if envelope:
        inner = envelope.get("output", envelope.get("content"))
        return full_text(inner) or (output if isinstance(output, str) else ""), envelope
    return full_text(output), {}


def _object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str) and value[:1] == "{":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _split(said: str) -> tuple[dict[str, str], str]:
    """What the header of an output tells, and what follows it."""
    header: dict[str, str] = {}
    rest = said
    while rest:
        line, _, after = rest.partition("\n")
        if line.strip() == "Output:":
            return header, after
        found = _HEADER.fullmatch(line.strip())
        if found is None and (line.strip() or not header):
            break
        if found is not None:
            header |= {name: value for name, value in found.groupdict().items() if value}
            header["head"] = header.get("head", line)
        rest = after
    return header, rest


def _whole(value: Any) -> int | None:
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


# --- events that tell the end of a call -----------------------------------------------------------


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
    told, kind = payload, text(payload.get("type")) or ""
    call = text(told.get("call_id")) or text(told.get("id"))
    read = _READERS.get(kind)
    return read(told, call) if read is not None and call is not None else None


def _command(told: Mapping[str, Any], call: str) -> Finished | None:
    source = (text(told.get("source")) or "").replace("_", "").lower()
    if source == "usershell":
        return None  # the person ran it
    code = _whole(told.get("exit_code"))
    out = next((t for key in _OUTPUTS if (t := text(told.get(key)))), None)
    end = _ended(told, out, failed=None if code is None else code != 0, kind="exit_code")
    words = told.get("command")
    given = words[-1] if isinstance(words, list) and words else words  # behind a shell's -lc
    is_nested = source != "unifiedexecinteraction"
    return Finished(call, "exec_command", end, given, out, is_nested)


_OUTPUTS = ("aggregated_output", "stderr", "stdout", "formatted_output")


def _mcp(told: Mapping[str, Any], call: str) -> Finished:
    invocation = told.get("invocation")
    where = invocation if isinstance(invocation, dict) else told
    server, tool = text(where.get("server")) or "", text(where.get("tool")) or "unknown"
    result = told.get("result")
    if isinstance(result, dict) and len(result) == 1 and ("Ok" in result or "Err" in result):
        failed, result = "Err" in result, next(iter(result.values()))
    else:
        failed = result is not None and not isinstance(result, dict)
    error = told.get("error")
    failed = failed or bool(error)
    if isinstance(result, dict):
        failed = failed or _is_error(result)
        said = full_text(result.get("content"))
    else:
        said = full_text(result)
    if isinstance(error, dict):
        said = text(error.get("message")) or said
    end = _ended(told, said, failed=failed)
    if end.failed is False:
        end = end._replace(soft=says_failure(said))
    if failed and _REFUSED.match(said):
        end = Ending(None, "user_rejected")
    return Finished(call, f"mcp__{server}__{tool}", end, where.get("arguments"), said or None)


def _dynamic(told: Mapping[str, Any], call: str) -> Finished:
    name = qualified(text(told.get("namespace")), text(told.get("tool")) or "unknown")
    said = text(told.get("error")) or full_text(told.get("content_items"))
    success = told.get("success")
    failed = None if success is None and not told.get("error") else success is not True
    return Finished(call, name, _ended(told, said, failed=failed), told.get("arguments"), said)


def _patch(told: Mapping[str, Any], call: str) -> Finished:
    said = text(told.get("stderr")) or text(told.get("stdout"))
    success = told.get("success")
    end = _ended(told, said, failed=None if success is None else not success)
    return Finished(call, "apply_patch", end, told.get("changes"), said)


def _plain(name: str) -> Any:
    def read(told: Mapping[str, Any], call: str) -> Finished:
        return Finished(call, name, _ended(told, None, failed=None), is_nested=False)

    return read


def _ended(
    told: Mapping[str, Any], said: str | None, *, failed: bool | None, kind: str = "tool_error"
) -> Ending:
    """``failed`` where it is told, else as the status says."""
    status = (text(told.get("status")) or "").lower()
    seconds = _seconds(told)
    if status == "declined":
        return Ending(None, "user_rejected")
    if failed is None and status:
        failed = {"completed": False, "failed": True}.get(status)
        kind = "tool_error"
    return Ending(failed, kind if failed else None, said, seconds)


def _seconds(told: Mapping[str, Any]) -> float | None:
    length = told.get("duration")
    if not isinstance(length, dict):
        return None
    whole, nanos = number(length.get("secs")), number(length.get("nanos"))
    return None if whole is None else whole + (nanos or 0) / 1e9


_READERS = {
    "CommandExecution": _command,
    "exec_command_end": _command,
    "McpToolCall": _mcp,
    "mcp_tool_call_end": _mcp,
    "DynamicToolCall": _dynamic,
    "dynamic_tool_call_response": _dynamic,
    "FileChange": _patch,
    "patch_apply_end": _patch,
    "WebSearch": _plain("web_search"),
    "ImageView": _plain("view_image"),
}


# --- turns ----------------------------------------------------------------------------------------

_STATUS = re.compile(r"\b(?:status|code)\D{0,12}([45]\d\d)\b", re.IGNORECASE)
_INCOMPLETE = re.compile(r"Incomplete response returned, reason: (\w+)")
_CONNECTION = re.compile(
    r"stream disconnected|connection|timed? ?out|network|error sending", re.IGNORECASE
)
_CLASSES = {
    "usagelimitexceeded": "http_429",
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


def incomplete(said: str | None) -> str | None:
    """The finish reason of a response of which the error of its turn says that it was not
    finished."""
    found = _INCOMPLETE.search(said or "")
    return finish(found[1]) if found else None


def error_class(info: Any, said: str | None) -> str:
    """The class of an API's failure: as ``codex_error_info`` tells it, else as the text does."""
    word, detail = text(info) or "", None
    if isinstance(info, dict) and info:
        word, detail = next(iter(info.items()))
    kind = _CLASSES.get(str(word).replace("_", "").lower())
    found = _STATUS.search((said or "")[:2000])
    status = found[1] if found else None
    if isinstance(detail, dict):
        status = next(
            (v for key in ("http_status_code", "httpStatusCode") if (v := detail.get(key))), status
        )
    if kind == "network" or kind is None:
        kind = http_class(status) or kind
    if kind is None and _CONNECTION.search((said or "")[:2000]):
        kind = "network"
    return kind or "api_error"

"""How calls and turns of Codex ended, in all the shapes that its versions have.

A call's output is a text for the model. Codex writes a header before what a command printed, or
wraps both in an object; only these say how it went, never a sentence of the output, and an exit
code only of tools that run commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from tgt.sources.agents import full_text, is_added_tool, says_failure
from tgt.sources.coerce import error_text, number, parsed

RUNNERS = frozenset(
    (
        *("shell", "shell_command", "local_shell", "exec_command", "write_stdin", "unified_exec"),
        *("container.exec", "bash"),
    )
)
_OWN_NAMESPACES = ("functions", "multi_agent", "collab", "agents", "web", "image_gen", "container")
_HEADER = re.compile(
    r"Chunk ID: .*|Wall time:? (?P<seconds>[\d.]{1,15}) seconds|Total output lines: \d+"
    r"|(?:(?:(?:Process|Command) )?exited with (?:exit )?(?:code|status)|Exit (?:code|status))"
    r"[: ] ?(?P<code>-?\d{1,10})|Original token count: \d+"
    r"|(?:Process|Command) (?:exited with|(?:was )?killed by|terminated by) (?P<signal>signal.*)"
    r"|Process running with session ID .*|Script (?:completed|failed|running|terminated).*",
    re.IGNORECASE,
)
_FAILED = (
    *("unsupported call", "unsupported custom tool call", "failed to ", "execution error:"),
    *("apply_patch verification failed", "patch rejected", "exec_command failed", "error:"),
    *("write_stdin failed", "unable to ", "tool call error", "unknown process id", "script failed"),
    *("sandbox error", "invalid patch", "no such tool", "err:", "collab spawn failed"),
    *("command timed out", "exec error", "failed in sandbox", "sandbox denied", "rejected: "),
    *("command rejected by policy", "verification failed", "invalid context", "agent thread limit"),
)
# What is said of any tool, also of one that somebody added.
_FAILED_ADDED = ("unsupported call", "failed to parse function arguments", "tool call error")
REFUSED = re.compile(
    r"(?:exec command |patch |apply_patch |command |tool call )?(?:was )?"
    r"(?:rejected|declined|denied) by (?:the )?user|exec command rejected"
    r"|(?:the )?user (?:rejected|cancelled|canceled|declined|denied)\b"
    r"|this action was rejected (?:due to|by)|approval (?:was )?(?:denied|declined|rejected)\b"
    r"|.{0,4000}Rejected\(\\*\"rejected by user",
    re.IGNORECASE | re.DOTALL,
)
# Of what Codex says itself, without a header.
_REFUSED_OWN = re.compile(
    r"[^\n:]{1,300} (?:rejected|declined|denied|not approved) by (?:the )?(?:user|reviewer)\b",
    re.IGNORECASE,
)
_INTERRUPTED = re.compile(
    r"(?:(?:turn|task|tool|command|operation|execution|call) ){0,2}(?:was )?"
    r"(?:aborted|interrupted|cancell?ed) by (?:the )?user|aborted\s*\Z"
    r"|request_user_input was cancell?ed",
    re.IGNORECASE,
)


_INTERRUPTED_OWN = re.compile(
    r"(?:(?:turn|task|tool|command|operation|execution|call) ){0,2}(?:was )?"
    r"(?:aborted|interrupted|cancell?ed)[.!]?\s*",
    re.IGNORECASE,
)


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
            "error": error_text(self.error) if self.failed or self.soft else None,
        }


def qualified(namespace: str | None, name: str) -> str:
    """The name of a tool with the server that it is of: ``mcp__crm__find``."""
    if not namespace or namespace.startswith(_OWN_NAMESPACES) or name.startswith(namespace):
        return name
    return f"{namespace.removesuffix('__')}__{name}"


def said_in(output: Any) -> str:
    """The text of an output."""
    return _parts(output)[0]


def written(output: Any) -> Any:
    """What a tool wrote, without what Codex puts around it: ids and times that differ from call to
    call."""
    envelope = _object(output)
    inner = envelope.get("output", envelope.get("content")) if envelope else output
    if isinstance(inner, list) and all(isinstance(part, dict) for part in inner):
        texts = [part.get("text") for part in inner]
        if texts and all(isinstance(text, str) for text in texts):
            inner = "\n".join(texts)
    if not isinstance(inner, str):
        return output
    header, body = _split(inner)
    return body if header else inner


def ending(output: Any, tool: str | None) -> Ending:
    """What an output says of its call."""
    text, envelope = _parts(output)
    header, body = _split(text)
    metadata = envelope.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    seconds = number(metadata.get("duration_seconds"))
    seconds = number(header.get("seconds")) if seconds is None else seconds
    is_added = is_added_tool(tool or "")
    code = None if is_added else whole(metadata.get("exit_code"))
    if code is None and _is_runner(tool) and "output" in envelope:
        code = whole(envelope.get("exit_code"))
    if code is None and _runs_commands(tool, header):
        code = -1 if "signal" in header else whole(header.get("code"))
    if code is not None:
        failed = code != 0
        return Ending(failed, "exit_code" if failed else None, body.strip() or text, seconds)
    is_plain = not is_added and not header
    if REFUSED.match(body) or (is_plain and _REFUSED_OWN.match(body)):
        return Ending(None, "user_rejected")
    if _INTERRUPTED.match(body) or (is_plain and _INTERRUPTED_OWN.fullmatch(body)):
        return Ending(None, "interrupted", cancelled=True)
    prefixes = _FAILED_ADDED if is_added else _FAILED
    beginnings = (*text.lower()[:60].splitlines()[:1], body.lower()[:60])
    is_told = is_error(envelope) or (is_added and is_error(_object(body)))
    if is_told or any(line.startswith(prefixes) for line in beginnings):
        return Ending(True, "tool_error", body.strip() or text, seconds)
    return Ending(False, None, body.strip() or text, seconds, is_added and says_failure(body))


def _runs_commands(tool: str | None, header: Mapping[str, str]) -> bool:
    """Whether the exit code of a header may be the tool's: of one that is known to run commands, or
    if Codex wrote all of it."""
    if tool is None or _is_runner(tool):
        return bool({"is_whole", "seconds"} & header.keys())
    return not is_added_tool(tool) and {"is_whole", "seconds"} <= header.keys()


def _is_runner(tool: str | None) -> bool:
    return tool in RUNNERS or (tool or "").removeprefix("functions.") in RUNNERS


def is_error(envelope: Mapping[str, Any]) -> bool:
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
        value = parsed(value)
    return value if isinstance(value, dict) else {}


def _split(text: str) -> tuple[dict[str, str], str]:
    """What the header of an output tells, and what follows it."""
    header: dict[str, str] = {}
    rest = text
    while rest:
        line, _, after = rest.partition("\n")
        if line.strip() == "Output:":
            return header | {"is_whole": "yes"}, after
        match = _HEADER.fullmatch(line.strip())
        if match is not None:
            header |= {name: value for name, value in match.groupdict().items() if value}
        elif line.strip() or rest is text:
            break
        rest = after
    return header, rest


def whole(value: Any) -> int | None:
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None

"""The calls of a transcript: the tools that the model used, their results, and how long they ran.

What stands between a call and its result is not only the tool: a person may have been asked, the
model may still have been writing, and a call before it may have had its turn. Transcripts tell
little of that, so a time is told only where nobody can have been asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.agents import Recent, identity, is_added_tool, owner
from tgt.sources.base import Record
from tgt.sources.claude_code.lines import Line
from tgt.sources.claude_code.results import outcome
from tgt.sources.coerce import args_hash, number, preview, result_bytes, text

# What tools of these names wait for is a person.
_HUMAN = frozenset(("AskUserQuestion", "ExitPlanMode", "EnterPlanMode"))
# A person may be asked whether these may run, as with all tools that somebody added; and whether
# those that look around may do so outside of the project.
_ASKING = frozenset(
    (
        *("Bash", "PowerShell", "Edit", "MultiEdit", "Write", "NotebookEdit", "WebFetch"),
        *("WebSearch", "Skill", "SlashCommand", "Monitor", "REPL", "Config", "Workflow"),
        *("EnterWorktree", "ExitWorktree", "CronCreate", "CronDelete", "RemoteTrigger"),
    )
)
_LOOKING = frozenset(("Read", "Grep", "Glob", "LS", "NotebookRead"))
_EDITING = frozenset(("Edit", "MultiEdit", "Write", "NotebookEdit"))
# Who allowed a call without asking a person.
_NOBODY = frozenset(("config", "hook", "classifier", "mode", "rule", "policy", "sandbox"))
_PATHS = ("file_path", "notebook_path", "path")


class Calls:
    """The calls of one file that have no result yet, and until when each answer was busy."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._open = Recent(128, state.get("open"))
        self._done = Recent(16, state.get("done"))
        self._busy = Recent(16, state.get("busy"))

    def state(self) -> dict[str, Any]:
        return {"open": dict(self._open), "done": dict(self._done), "busy": dict(self._busy)}

    def written(self, answer: str, us: int) -> None:
        """A line of an answer: its calls run when it is whole."""
        self._busy[answer] = max(us, self._busy.get(answer, us))

    def used(
        self, line: Line, answer: str, block: Mapping[str, Any], mode: str | None
    ) -> Iterator[Record]:
        """A block of an answer calls a tool. ``mode`` says when a person is asked."""
        call, name = text(block.get("id")), text(block.get("name")) or "unknown"
        if call is None or call in self._open or call in self._done:
            return
        arguments = block.get("input")
        asks = _asks(name, arguments, line.directory, mode)
        self._open[call] = {"name": name, "us": line.us, "answer": answer, "asks": asks}
        record = _of_call(line, call, name, "start")
        yield record | {"args_hash": args_hash(arguments), "args_preview": preview(arguments)}

    def answered(self, line: Line, block: Mapping[str, Any]) -> Iterator[Record]:
        """A block of the user's is the result of a call."""
        call = text(block.get("tool_use_id"))
        if call is None or call in self._done:
            return
        begun = self._open.pop(call, None)
        if begun is None:
            # Its beginning was not read. What is known of it elsewhere is better.
            record = _of_call(line, call, None, "end") | {"revision": None, "is_wait": True}
        else:
            self._done[call] = True
            elapsed_ms = self._running_ms(begun, line)
            record = _of_call(line, call, begun["name"], "end")
            record |= {"elapsed_ms": elapsed_ms, "is_wait": elapsed_ms is None}
            self.written(begun["answer"], line.us)
        content = block.get("content")
        yield (
            record
            | outcome(line.document, block, record["name"])
            | {
                "result_preview": preview(content),
                "result_bytes": result_bytes(content),
            }
        )

    def _running_ms(self, call: Mapping[str, Any], line: Line) -> float | None:
        """How long a tool ran: as it says itself, else from when it could begin to its result, if
        nobody may have been asked in between."""
        result = line.document.get("toolUseResult")
        if isinstance(result, dict):
            own = number(result.get("durationMs")) or number(result.get("totalDurationMs"))
            if own is not None:
                return own
        decision = line.document.get("permissionDecision")
        if isinstance(decision, dict):
            asks = call["name"] in _HUMAN or text(decision.get("source")) not in _NOBODY
        else:
            asks = call["asks"]
        start = max(call["us"], self._busy.get(call["answer"], 0))
        start = start if start <= line.us else call["us"]
        # What has its result together with the call before it ran beside it, who knows how long.
        return None if asks or start >= line.us else float(line.us - start) / 1000


def _of_call(line: Line, call: str, name: str | None, phase: str) -> Record:
    unique = identity("call", call, line.conversation)
    return line.record(
        "tool_call",
        owner(name or ""),
        id=call,
        key=f"{unique}:{phase}",
        call_id=unique,
        phase=phase,
        name=name,
        subject=f"tool_call/{name or 'unknown'}",
    )


def _asks(name: str, arguments: Any, directory: str | None, mode: str | None) -> bool:
    """Whether a person may be asked before a tool runs."""
    if name in _HUMAN:
        return True
    if mode in {"bypassPermissions", "dontAsk"}:
        return False
    if name in _LOOKING or (name in _EDITING and mode == "acceptEdits"):
        return not _is_inside(arguments, directory)
    return name in _ASKING or is_added_tool(name)


def _is_inside(arguments: Any, directory: str | None) -> bool:
    """Whether the file that a tool is given lies in the project."""
    values = arguments if isinstance(arguments, dict) else {}
    path = next((text(values.get(key)) for key in _PATHS if text(values.get(key))), None) or ""
    if not (path.startswith(("/", "~")) or path[1:2] == ":"):
        return True
    inside = (directory or "").replace("\\", "/").rstrip("/")
    return directory is None or (path.replace("\\", "/") + "/").startswith(f"{inside}/")

"""The session of a coding agent as records, however the agent writes it down.

A reader of one agent's files says what it saw (a prompt, an answer, a tool's beginning and end, a
request that failed); here that becomes the columns of a record, the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tgt.sources.agents import full_text, identity, is_added_tool, says_failure
from tgt.sources.base import Record
from tgt.sources.bounds import WORD_CHARS
from tgt.sources.coerce import (
    args_hash,
    error_text,
    http_class,
    number,
    preview,
    result_bytes,
    text,
    upstream,
)
from tgt.sources.projects import project_name

Columns = Mapping[str, Any]

UNTOLD: Columns = {"failed": None}
SUCCEEDED: Columns = {"failed": False}
REFUSED: Columns = {"failed": None, "error_type": "user_rejected"}
INTERRUPTED: Columns = {"failed": None, "cancelled": True, "error_type": "interrupted"}
SOFT_FAILED: Columns = {"failed": False, "soft_failed": True}

OPEN_CALLS = 256
"""Calls of one session whose results are awaited; agents run a dozen at once at the most."""

_PERSON = r"(?:the )?user"
# What agents say in place of a tool that a person did not allow, or nobody could be asked about.
_REFUSED = re.compile(
    r"(?:Error: |\w{1,40}(?:Error|Exception): )?(?:"
    rf"{_PERSON} (?:has )?(?:rejected|declined|denied|refused|skipped|dismissed)\b"
    rf"|{_PERSON} (?:(?:did|has|does)(?: not|n['’]t)) (?:approve|grant|allow|accept|want)"
    rf"|{_PERSON} (?:chose|opted) not to\b"
    r"|(?:(?:this|the|your) )?(?:(?:tool|command|permission|operation|edit|plan|call|use|request"
    r"|execution) ){0,3}(?:was |has been )?(?:rejected|denied|declined|refused|skipped|dismissed"
    rf"|not approved) by {_PERSON}(?:[.!:,;]|\Z)"
    r"|permission (?:was )?denied and could not request\b"
    r"|[^\n:]{0,120} requires user (?:confirmation|approval)\b)",
    re.IGNORECASE,
)
# Or of one that a person stopped; all that it says.
_STOPPED = re.compile(
    r"(?:AbortError:? ?|Error: )?(?:the execution of this tool, or a previous tool,? )?"
    r"(?:(?:this|the|tool|command|operation|request|execution|call|use) ){0,4}(?:was |has been )?"
    rf"(?:aborted|interrupted|cancell?ed)(?: by {_PERSON})?[.!]?\s*"
    rf"|{_PERSON} (?:cancell?ed|aborted|interrupted|stopped)\b[^\n]{{0,60}}",
    re.IGNORECASE,
)
_LONGEST_END = 600
_PROCESSES = re.compile(r"\n(?:Process Group PGID|Background PIDs): [^\n]*")
_EXIT_CODE = re.compile(r"Exit Code: (-?\d{1,9})")
_STATUS = re.compile(
    r"^(?:HTTP )?([45]\d\d)\b"
    r"|(?<!\w)(?:status|code|error|http)[^0-9\n]{0,12}([45]\d\d)(?!\d)",
    re.IGNORECASE,
)
_NETWORK = re.compile(
    r"timed?[ -]?out|connection|network|socket|fetch failed|other side closed|terminated"
    r"|\bE(?:CONN|NOTFOUND|PIPE|AI_)",
    re.IGNORECASE,
)
# What agents call a failure of a request when they know no more of it: its text says more.
_NO_CLASS = frozenset(
    (
        *("error", "apierror", "api_error", "unknown", "unknownerror", "query", "model_call"),
        *("streaming_failed", "retries_exhausted"),
    )
)
_STATUSES = {
    **dict.fromkeys(("rate_limit", "rate_limit_error", "ratelimiterror"), "http_429"),
    **dict.fromkeys(("authentication", "authentication_error", "authenticationerror"), "http_401"),
    **dict.fromkeys(("authorization", "permission_error"), "http_403"),
    **dict.fromkeys(("overloaded", "overloaded_error"), "http_529"),
}


def failed(answer: Any, kind: str = "tool_error") -> Columns:
    """The outcome of a call that failed; ``answer`` is what it answered."""
    return {"failed": True, "error": error_text(answer), "error_type": kind}


def ended_badly(answer: Any, kind: str = "tool_error", *, is_added: bool = False) -> Columns:
    """The outcome of a call that gave back an error: it failed, unless the answer says that a
    person refused or stopped it. A tool that somebody added may have been stopped by others."""
    said = full_text(answer).strip()
    if _REFUSED.match(said):
        return REFUSED
    return INTERRUPTED if not is_added and _STOPPED.fullmatch(said) else failed(answer, kind)


def exited(code: float | None, answer: Any = None) -> Columns:
    """The outcome of a tool that did its work, which was to run a command that ended so; ``answer``
    is what the command wrote."""
    return {**SOFT_FAILED, "error": error_text(answer)} if code else SUCCEEDED


@dataclass
class Session:
    """What is known of the session that a file is about; all of it words and ids."""

    agent: str
    conversation: str | None = None
    project: str | None = None
    version: str | None = None
    model: str | None = None

    @property
    def service(self) -> str:
        return f"{self.agent}:{self.project}" if self.project else self.agent

    def works_in(self, directory: Any) -> None:
        self.project = word(project_name(text(directory))) or self.project

    # --- what happens in it ----------------------------------------------------------------------

    def prompt(self, us: int, name: str, message: Any, /, **more: Any) -> Record:
        """A person's message, which gives the agent a task. ``name`` is the message's id."""
        columns = {"args_preview": preview(message)}
        return self._record(us, "prompt", "user", name, **{**columns, **more})

    def interruption(self, us: int, name: str, /, **more: Any) -> Record:
        """A person's stop."""
        return self._record(us, "interruption", "user", name, **{"cancelled": True, **more})

    def answer(self, us: int, name: str, model: Any = None, /, **more: Any) -> Record:
        answered_by = word(model) or self.model
        usual = {"failed": False, "name": answered_by, "model": answered_by}
        return self._record(us, "assistant_response", "assistant", name, **{**usual, **more})

    def api_error(
        self,
        us: int,
        name: str,
        message: Any,
        /,
        *,
        status: Any = None,
        kind: Any = None,
        **more: Any,
    ) -> Record:
        """A request to a model that failed. ``status`` is HTTP's, ``kind`` what the agent calls
        the failure; where neither says more, what the text says counts."""
        failure = {
            "failed": True,
            "error": error_text(message),
            "error_type": http_class(status) or _class_of(word(kind), preview(message) or ""),
            "name": self.model,
            "model": self.model,
            **more,
        }
        record = self._record(us, "api_error", "assistant", name, **failure)
        return record | {"subject": upstream(record["error_type"], None)}

    def trouble(self, us: int, name: str, message: Any, kind: str, /, **more: Any) -> Record:
        """Something of the agent itself that went wrong."""
        failure = {**failed(message, kind), **more}
        return self._record(us, "agent_error", "system", name, **failure)

    def started(self, us: int, call: str, tool: str, arguments: Any, **more: Any) -> Record:
        """The beginning of a tool's call. ``added``: somebody added the tool to the agent."""
        return self._call(us, "start", call, tool, **{**arguments_of(arguments), **more})

    def ended(self, us: int, call: str, tool: str | None, result: Any, **more: Any) -> Record:
        """The end of a tool's call."""
        outcome = _with_error(tool, result, more)
        return self._call(us, "end", call, tool, **{**result_of(result), **outcome})

    def called(
        self, us: int, call: str, tool: str, arguments: Any, result: Any, **more: Any
    ) -> Record:
        """A tool's call as a whole, at the time of its end."""
        outcome = _with_error(tool, result, more)
        return self._call(
            us, "call", call, tool, **{**arguments_of(arguments), **result_of(result), **outcome}
        )

    def _call(self, us: int, phase: str, call: str, tool: str | None, **more: Any) -> Record:
        added = more.pop("added", False) or is_added_tool(tool or "")
        if more.get("error_type") == REFUSED["error_type"]:
            more |= {"elapsed_ms": None, "is_wait": True}  # until a person had said no
        if not more.get("is_wait"):
            more.pop("is_wait", None)
        key = identity("call", call, self.conversation)
        call_id = key.removeprefix("call:")
        actor = "tool" if added else "assistant"
        record = self._record(
            us, "tool_call", actor, call, call_id=call_id, phase=phase, name=tool, **more
        )
        return record | {"key": f"{key}:{phase}"}

    def _record(self, us: int, act: str, actor: str, name: str, /, **more: Any) -> Record:
        return {
            "us": us,
            "id": name,
            "key": identity(act, name, self.conversation),
            "actor": actor,
            "act": act,
            "cancelled": False,
            "conv_id": self.conversation,
            "service": self.service,
            "version": self.version,
            "subject": f"{act}/{more['name']}" if more.get("name") else act,
            **more,
        }

    # --- from one reading to the next ------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def restore(self, state: Columns) -> None:
        for each in fields(self):
            if isinstance(state.get(each.name), str):
                setattr(self, each.name, state[each.name])


def word(value: Any) -> str | None:
    """An id, a name or the like: text of bounded length, since readers remember some."""
    whole = text(value)
    return whole[:WORD_CHARS] if whole else None


def without_ids(report: Any) -> Any:
    """Such a report without the numbers of processes, which differ each time that the same runs."""
    if not isinstance(report, str):
        return report
    end = len(report) - _LONGEST_END
    return report[: max(0, end)] + _PROCESSES.sub("", report[max(0, end) :])


def reported(report: Any) -> Columns:
    """The outcome of a shell tool that answers with a report on its command, of which the exit code
    is among the last lines: Gemini CLI's, and Qwen Code's that was made of it."""
    codes = _EXIT_CODE.findall(report[-_LONGEST_END:]) if isinstance(report, str) else []
    return exited(abs(int(codes[-1])) if codes else None, report)


def stopped(result: Any) -> Columns:
    """The outcome of a call that the same two call cancelled: a person said no, or stopped all."""
    return REFUSED if "did not allow" in (preview(result) or "") else INTERRUPTED


def arguments_of(arguments: Any) -> dict[str, Any]:
    """What a call was asked: the beginning, and a hash of the whole."""
    return {"args_preview": preview(arguments), "args_hash": args_hash(arguments)}


def result_of(result: Any) -> dict[str, Any]:
    """What a call gave back: the beginning, and how much it was."""
    return {"result_preview": preview(result), "result_bytes": result_bytes(result)}


def _with_error(tool: str | None, result: Any, outcome: Columns) -> Columns:
    """The outcome of a call. What a tool that somebody added gave back may say that it failed; and
    what did not reach its aim says why in its answer, if nowhere else."""
    is_added = outcome.get("added", False) or is_added_tool(tool or "")
    if is_added and outcome.get("failed") is False and says_failure(_said(result)):
        outcome = {**outcome, **SOFT_FAILED}
    is_untold = outcome.get("soft_failed") and not outcome.get("error")
    return {**outcome, "error": error_text(result)} if is_untold else outcome


def _said(result: Any) -> Any:
    """An object that was given back, or the text of one, which may stand in content blocks."""
    return result if isinstance(result, dict | str) else full_text(result)


def _class_of(kind: str | None, message: str) -> str:
    """The class of a failure that has no status: by its name, else by its text."""
    lowered = (kind or "error").lower()
    if lowered in _STATUSES:
        return _STATUSES[lowered]
    is_vague = lowered in _NO_CLASS
    status = _STATUS.search(message) if is_vague else None
    if status:
        return http_class(status[1] or status[2]) or "api_error"
    if _NETWORK.search(message if is_vague else lowered):
        return "network"
    return "api_error" if kind is None or (is_vague and lowered.endswith("error")) else kind


def elapsed_ms(start: Any, end: int) -> float | None:
    """Milliseconds between two times in microseconds; None if the first is later or untold."""
    return (end - start) / 1000 if isinstance(start, int) and start <= end else None


def total(usage: Columns, *names: str) -> float | None:
    """The sum of the named counts, as far as they are told."""
    counts = [count for name in names if (count := number(usage.get(name))) is not None]
    return sum(counts) if counts else None


def mapping(value: Any) -> Columns:
    """An object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def is_of(value: Any, words: Collection[str]) -> bool:
    """Whether a value is one of some words; anything else is none."""
    return isinstance(value, str) and value in words


def objects(value: Any) -> list[Columns]:
    """The objects of a list; none of anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def usual_place(environ: Mapping[str, str], variable: str, default: str, below: str = "") -> Path:
    """What lies below a directory that a variable of the environment may name."""
    return Path(environ.get(variable, "").strip() or default).expanduser() / below

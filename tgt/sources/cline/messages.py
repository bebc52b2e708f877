"""What the messages of a task of Cline's come to, one after another.

What came of a request or a tool stands in messages after it, so the reader holds the last of each
until the next one, or the end of the task, says that nothing more will come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tgt.sources.agent_records import (
    REFUSED,
    SOFT_FAILED,
    SUCCEEDED,
    UNTOLD,
    Columns,
    Session,
    elapsed_ms,
    failed,
    is_of,
    mapping,
    total,
    word,
)
from tgt.sources.agents import says_failure
from tgt.sources.base import SKIPPED, Outcome, malformed, unknown
from tgt.sources.coerce import moment, number, preview, result_bytes

_TOOLS = {
    "tool": None,
    "command": "execute_command",
    "use_mcp_server": "use_mcp_tool",
    "browser_action_launch": "browser_action",
    "use_subagents": "use_subagents",
}
_ENDS = frozenset(("completion_result", "plan_mode_respond", "followup"))
_ANSWERS = frozenset(("text", "reasoning"))
_ERRORS = frozenset(("error", "diff_error", "condense_context_error"))
_FORBIDDEN = frozenset(("rooignore_error", "clineignore_error", "command_permission_denied"))
_ATTEMPTS = frozenset(("error_retry", "api_req_retry_delayed", "api_req_failed"))
_SAYS = frozenset(
    (
        *("task", "text", "reasoning", "image", "user_feedback", "user_feedback_diff"),
        *("api_req_started", "api_req_finished", "api_req_retried", "api_req_deleted"),
        *("api_req_rate_limited", "deleted_api_reqs", "command_output", "resume_task"),
        *("resume_completed_task", "mistake_limit_reached", "auto_approval_max_req_reached"),
        *("shell_integration_warning", "shell_integration_warning_with_suggestion"),
        *("browser_action", "browser_action_result", "browser_session_status"),
        *("mcp_server_request_started", "mcp_server_response", "mcp_notification"),
        *("checkpoint_created", "checkpoint_saved", "load_mcp_documentation", "info"),
        *("generate_explanation", "task_progress", "hook_status", "hook_output_stream"),
        *("hook_execution", "subagent", "subagent_usage", "subtask_result"),
        *("conditional_rules_applied", "condense_context", "sliding_window_truncation"),
        *("codebase_search_result", "user_edit_todos", "act_mode_respond", "new_task", "condense"),
        *("summarize_task", "report_bug", "payment_required_prompt", "invalid_model"),
    )
)
_MISUSE = re.compile(r"tried to use (\w+)\b.{0,500}? without value", re.DOTALL)
_WORKING_IN = re.compile(r"# Current Work(?:ing|space) Directory \(([^\n]{1,500}?)\)(?: Files|\s)")


@dataclass
class _Request:
    us: int
    place: int
    info: Columns
    model: str | None
    is_answered: bool = False
    is_failed: bool = False
    ends_turn: bool = False


@dataclass
class _Call:
    us: int
    name: str
    tool: str
    is_asked: bool
    began: int | None = None
    written: int | None = None  # bytes, of all that the command wrote so far
    last_words: _Message | None = None


class ClineReader:
    """Holds the request and the call that the next messages say more of."""

    def __init__(self, agent: str, task: str, directory: str | None = None) -> None:
        self._session = Session(agent, task)
        self._session.works_in(directory)
        self._is_first = True
        # Where the task works, only its first request says; so it is held until then.
        self._task: _Message | None = None
        self._request: _Request | None = None
        self._call: _Call | None = None

    def state(self) -> None:
        """The list is written anew as a whole."""

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        side = document.get("type")
        kind = document.get(str(side)) if is_of(side, ("say", "ask")) else None
        if not isinstance(kind, str) or not self._is_known(kind):
            return (unknown(kind),)
        us = moment(document.get("ts"))
        if us is None:
            return (malformed("no time"),)
        is_first, self._is_first = self._is_first, False
        self._session.model = (
            word(mapping(document.get("modelInfo")).get("modelId")) or self._session.model
        )
        if document.get("partial") is True:
            return (SKIPPED,)  # it was never finished
        message = _Message(us, place, kind, document.get("text"), is_asked=side == "ask")
        message.is_first = is_first
        if is_first and kind in {"task", "text"}:
            self._task = message
            return ()
        if kind in {"task", "user_feedback"}:
            outcomes = self._prompt(message)
        elif kind == "api_req_started":
            outcomes = self._requested(message)
        elif kind in _TOOLS:
            outcomes = self._called(message)
        else:
            outcomes = self._more(message)
        return tuple(outcomes) or (SKIPPED,)

    def finish(self) -> Iterable[Outcome]:
        return (*self._new_task(), *self._close_request())

    @staticmethod
    def _is_known(kind: str) -> bool:
        every = (_SAYS, _TOOLS, _ENDS, _ERRORS, _FORBIDDEN, _ATTEMPTS)
        return any(kind in kinds for kinds in every)

    # --- requests --------------------------------------------------------------------------------

    def _new_task(self) -> Iterator[Outcome]:
        task, self._task = self._task, None
        if task is not None:
            yield self._session.prompt(task.us, task.name, task.text, place=task.place)

    def _prompt(self, message: _Message) -> Iterator[Outcome]:
        # What a person writes in the place of a yes or no may be either.
        yield from self._end_call(message.us, UNTOLD)
        yield self._session.prompt(message.us, message.name, message.text)

    def _requested(self, message: _Message) -> Iterator[Outcome]:
        yield from self._end_call(message.us)
        yield from self._close_request()
        info = message.parsed
        if self._session.project is None and isinstance(info.get("request"), str):
            directory = _WORKING_IN.search(info["request"])
            self._session.works_in(directory and directory[1])
        yield from self._new_task()
        self._request = _Request(message.us, message.place, info, self._session.model)

    def _close_request(self) -> Iterator[Outcome]:
        request, self._request = self._request, None
        if request is None or request.is_failed:
            return
        info, name = request.info, f"{request.us}"
        reason = info.get("cancelReason")
        failure = _Message.unfolded(info.get("streamingFailedMessage"))
        more: dict[str, Any] = {"place": request.place, "model": request.model}
        if reason not in {None, "user_cancelled"} or (reason is None and failure):
            yield self._session.api_error(
                request.us, name, failure or reason, kind=reason, name=request.model, **more
            )
            return
        # By one of two protocols, what was read from a cache is a part of the input.
        cache = () if info.get("apiProtocol") == "openai" else ("cacheReads", "cacheWrites")
        more |= {
            "input_tokens": total(info, "tokensIn", *cache),
            "cached_tokens": number(info.get("cacheReads")),
            "output_tokens": number(info.get("tokensOut")),
            "cost_usd": number(info.get("cost")),
        }
        if reason == "user_cancelled":
            more |= {"failed": None, "cancelled": True, "finish_reason": "cancelled"}
        elif request.ends_turn:
            more["finish_reason"] = "stop"
        elif not request.is_answered and not more["output_tokens"]:
            return  # nothing came of it yet
        yield self._session.answer(request.us, name, request.model, **more)

    def _answered_to(self, *, is_end: bool = False) -> None:
        """The request got an answer, whatever became of its first attempts."""
        if self._request is not None:
            self._request.is_answered, self._request.is_failed = True, False
            self._request.ends_turn |= is_end

    def _attempt(self, message: _Message) -> Iterator[Outcome]:
        """A request that failed, whether it is tried again or not."""
        if self._request is not None:
            self._request.is_failed = True
        failure = (
            message.parsed.get("errorMessage") or message.parsed.get("message") or message.text
        )
        status = message.parsed.get("status")
        yield self._session.api_error(message.us, message.name, failure, status=status)

    # --- tools -----------------------------------------------------------------------------------

    def _called(self, message: _Message) -> Iterator[Outcome]:
        yield from self._end_call(message.us)
        self._answered_to()
        tool = _tool(message)
        name = message.name
        self._call = _Call(message.us, name, tool, message.is_asked)
        arguments = message.parsed or (message.text or "").removesuffix("REQ_APP")
        yield self._session.started(message.us, name, tool, arguments)

    def _end_call(
        self, us: int, outcome: Columns | None = None, answer: Any = None
    ) -> Iterator[Outcome]:
        """The call that is open has ended, if there is one; without an outcome: all was well, as
        far as that would have been told."""
        call, self._call = self._call, None
        if call is None:
            return
        if outcome is None:
            is_told = not call.is_asked and call.tool != "execute_command"
            outcome = SUCCEEDED if is_told else UNTOLD
        began = call.began if call.began is not None or call.is_asked else call.us
        more: dict[str, Any] = {}
        if answer is None and call.last_words is not None:
            answer = call.last_words.text
            more = {"place": call.last_words.place, "result_bytes": call.written}
        yield self._session.ended(
            us,
            call.name,
            call.tool,
            answer,
            **outcome,
            elapsed_ms=elapsed_ms(began, us),
            is_wait=began is None,
            **more,
        )

    # --- all the rest ----------------------------------------------------------------------------

    def _more(self, message: _Message) -> Iterator[Outcome]:
        kind = message.kind
        if kind in _ANSWERS:
            self._answered_to()
        elif kind in _ENDS:
            self._answered_to(is_end=True)
            yield from self._end_call(message.us)
        elif kind in _ATTEMPTS:
            yield from self._attempt(message)
        elif kind in _FORBIDDEN:
            yield from self._end_call(message.us, REFUSED)
        elif kind in _ERRORS:
            yield from self._error(message)
        elif kind == "mistake_limit_reached":
            yield self._trouble(message)
        else:
            yield from self._progress(message)

    def _progress(self, message: _Message) -> Iterator[Outcome]:
        """What is told of the call that is open."""
        if message.kind == "mcp_server_request_started" and self._call is not None:
            self._call.began = message.us
        elif message.kind == "mcp_server_response" and self._call is None:
            outcome = _answered(message.text)
            yield self._session.ended(message.us, message.name, None, message.text, **outcome)
        elif message.kind == "mcp_server_response":
            yield from self._end_call(message.us, _answered(message.text), message.text)
        elif message.kind == "user_feedback_diff":
            yield from self._end_call(message.us, SUCCEEDED)
        elif message.kind == "command_output":
            yield from self._wrote(message)

    def _wrote(self, message: _Message) -> Iterator[Outcome]:
        """What a command wrote, in one message or in several."""
        call, size = self._call, result_bytes(message.text or None)
        if call is not None and call.tool == _TOOLS["command"] and size is not None:
            call.written = size + (call.written or 0)
            call.last_words = message
        elif message.is_first and size is not None:
            yield self._session.ended(message.us, message.name, None, message.text, **UNTOLD)

    def _error(self, message: _Message) -> Iterator[Outcome]:
        """What went wrong: the tool that was called last, one that could not even be called, or
        the agent itself. Of an error alone nobody knows whether it was a tool's."""
        kind = "diff_error" if message.kind == "diff_error" else "tool_error"
        outcome = failed(message.text, kind)
        misused = _MISUSE.search((message.text or "")[:2000])
        if misused:
            yield from self._end_call(message.us)
            self._answered_to()
            outcome = failed(message.text, "misuse")
            yield self._session.called(message.us, message.name, misused[1], None, None, **outcome)
        elif self._call is not None:
            yield from self._end_call(message.us, outcome)
        else:
            if message.is_first:
                yield self._session.ended(message.us, message.name, None, None, **outcome)
            yield self._trouble(message)

    def _trouble(self, message: _Message) -> Outcome:
        kind = message.kind
        return self._session.trouble(message.us, message.name, message.text, kind)


class _Message:
    def __init__(self, us: int, place: int, kind: str, text: Any, *, is_asked: bool) -> None:
        self.us, self.place, self.kind, self.is_asked = us, place, kind, is_asked
        self.name = f"{us}"
        self.is_first = False
        self.text = text if isinstance(text, str) else None

    @cached_property
    def parsed(self) -> Columns:
        """The object that the text is, if it is one."""
        if self.text is None or self.text[:1] != "{":
            return {}
        try:
            return mapping(json.loads(self.text))
        except (ValueError, RecursionError):
            return {}

    @staticmethod
    def unfolded(error: Any) -> str | None:
        """The message in an error that may be an object as text."""
        inner = _Message(0, 0, "", error, is_asked=False)
        return preview(inner.parsed.get("message")) or preview(inner.text)


def _tool(message: _Message) -> str:
    """The name of the tool that a message is about."""
    document = message.parsed
    if message.kind == "use_mcp_server":
        server, tool = word(document.get("serverName")), word(document.get("toolName"))
        return f"mcp__{server}__{tool}" if server and tool else "access_mcp_resource"
    return _TOOLS[message.kind] or word(document.get("tool")) or "unknown"


def _answered(answer: str | None) -> Columns:
    """The outcome of a call to a server, of which only its answer is known."""
    is_error = (answer or "").startswith("Error:") or says_failure(answer)
    return SOFT_FAILED if is_error else SUCCEEDED

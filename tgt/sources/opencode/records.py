"""What OpenCode's messages, parts and errors come to as records, wherever they were kept."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from tgt.sources.agent_records import (
    INTERRUPTED,
    REFUSED,
    UNTOLD,
    Columns,
    Session,
    elapsed_ms,
    ended_badly,
    exited,
    mapping,
    total,
    word,
)
from tgt.sources.base import Outcome, malformed
from tgt.sources.coerce import finish, moment, number, preview

# Tools that were added are called after their server: ``jira_find``. These are OpenCode's own.
_OWN = frozenset(("apply_patch", "plan_enter", "plan_exit", "list_files", "todo_write"))
_HUMAN = frozenset(("question", "plan_exit", "plan_enter"))
_REFUSED = (
    *("the user rejected permission", "the user dismissed", "permission denied"),
    *("the user has specified a rule which prevents", "permissionrejected"),
)
_ABORTED = ("tool execution aborted", "aborted", "tool execution was interrupted")
_CLASSES = {
    "ProviderAuthError": "authentication",
    "ContextOverflowError": "context_overflow",
    "StructuredOutputError": "structured_output",
}


class Item:
    """A document with its session."""

    def __init__(
        self, document: Columns, agent: str, place: int, session: Session | None = None
    ) -> None:
        self.document = document
        self.place = place
        self.name = word(document.get("id")) or f"{place}"
        of = mapping(document.get("session"))
        self.is_child = of.get("is_child") is True
        self.trace = word(document.get("sessionID")) if self.is_child else None
        self._agent, self._session, self._of = agent, session, of

    @cached_property
    def session(self) -> Session:
        if self._session is not None:
            return self._session
        name = word(self._of.get("id")) or word(self.document.get("sessionID"))
        session = Session(self._agent, name, version=word(self._of.get("version")))
        session.works_in(self._of.get("directory"))
        return session


def prompt(item: Item) -> Iterator[Outcome]:
    """What a person said; the tasks of sub-agents and what is added to a message are none."""
    part, message = item.document, mapping(item.document.get("message"))
    us = moment(mapping(message.get("time")).get("created"))
    if message.get("role") != "user" or item.is_child or us is None:
        return
    if part.get("synthetic") is not True and part.get("ignored") is not True:
        name = word(part.get("messageID")) or item.name
        yield item.session.prompt(us, name, part.get("text"))


def answer(item: Item, us: int, reason: Any, asked_us: int | None) -> Outcome:
    document = item.document
    tokens = mapping(document.get("tokens"))
    cache = mapping(tokens.get("cache"))
    told_reason = finish(reason)
    # The message is complete when its tools are: its answer ended where the first of them began.
    began = moment(document.get("tool_started"))
    is_timed = began is not None or told_reason != "tool_calls"
    us = us if began is None else min(began, us)
    read = total({**tokens, **cache}, "input", "read", "write")
    # Whether thoughts are a part of the output differs; the sum of all tells.
    every = number(tokens.get("total"))
    written = total(tokens, "output", "reasoning") if every is None else every - (read or 0)
    return item.session.answer(
        us,
        item.name,
        document.get("modelID"),
        finish_reason=told_reason,
        elapsed_ms=elapsed_ms(asked_us, us) if is_timed else None,
        input_tokens=read,
        cached_tokens=number(cache.get("read")),
        output_tokens=written,
        cost_usd=number(document.get("cost")),
        trace_id=item.trace,
    )


def failure(item: Item, us: int, error: Columns) -> Iterator[Outcome]:
    name, data = word(error.get("name")) or "", mapping(error.get("data"))
    message = preview(data.get("message")) or preview(error.get("message")) or name
    model = word(item.document.get("modelID"))
    model = model or word(mapping(item.document.get("message")).get("modelID"))
    if name == "MessageOutputLengthError":
        yield answer(item, us, "length", None)
    elif "Abort" in name or message.startswith(("AbortError", "The operation was aborted")):
        stopped = {"failed": None, "cancelled": True, "finish_reason": "cancelled"}
        yield item.session.answer(us, item.name, model, **stopped, trace_id=item.trace)
    else:
        yield item.session.api_error(
            us,
            item.name,
            message,
            status=data.get("statusCode"),
            kind=_CLASSES.get(name, name),
            name=model,
            model=model,
            trace_id=item.trace,
        )


def tool_call(item: Item, part: Columns) -> Outcome | None:
    """A call that has ended; None for one that has not."""
    state = mapping(part.get("state"))
    if state.get("status") in {"pending", "running"}:
        return None
    time = mapping(state.get("time"))
    start, end = moment(time.get("start")), moment(time.get("end"))
    tool = word(part.get("tool"))
    call = word(part.get("callID")) or word(part.get("id"))
    us = end or start
    if us is None or tool is None or call is None:
        return malformed("no time" if us is None else "no tool")
    answer = state.get("error") or state.get("output")
    return item.session.called(
        us,
        call,
        tool,
        state.get("input"),
        answer,
        **_outcome(state, answer),
        added="_" in tool and tool not in _OWN and not tool.startswith("lsp_"),
        elapsed_ms=None if tool in _HUMAN else elapsed_ms(start, us),
        is_wait=tool in _HUMAN,
        trace_id=item.trace,
    )


def _outcome(state: Columns, answer: Any) -> Columns:
    code = number(str(mapping(state.get("metadata")).get("exit", "")).lstrip("-"))
    if state.get("status") == "completed":
        return exited(code, answer)
    if state.get("status") != "error":
        return UNTOLD
    words = (preview(answer) or "").lower().removeprefix("error: ")
    if mapping(state.get("metadata")).get("interrupted") is True or words.startswith(_ABORTED):
        return INTERRUPTED
    if words.startswith(_REFUSED):
        return REFUSED
    return ended_badly(answer, "exit_code" if code else "tool_error")

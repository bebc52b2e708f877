"""How what a span or an event tells of came out: it succeeded, failed, was cancelled, or asks.

The status of a span is the last word where it is set: an exception that was handled on the way is
no failure. A person's stop is a cancel, and a time-out is none. What a framework throws to ask a
person, or to hand on, is its way of going on and not a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from tgt.sources.coerce import number, preview, text, truth
from tgt.sources.otlp.items import ERROR, OK, Item

_LOOKED_AT = 2000  # characters of a message
_CLIENT_CLOSED = 499  # what servers note when whoever asked has gone


class Ending(StrEnum):
    """How a call ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PAUSED = "paused"  # it waits for a person, or went on elsewhere: not told yet


def ending(item: Item) -> Ending:
    """How the call that a span is ended."""
    if not _has_failed(item):
        return Ending.SUCCEEDED
    return _of_failure(item)


def reported(item: Item, *, success: bool | None) -> Ending | None:
    """How the call ended of which an event says itself whether it succeeded."""
    if success is None:
        return None
    return Ending.SUCCEEDED if success else _of_failure(item)


def _has_failed(item: Item) -> bool:
    success = truth(item.told("success"))
    level = text(item.attributes.get("langfuse.observation.level")) or ""
    if item.status == ERROR or success is False or level.upper() == "ERROR":
        return True
    if item.status == OK or success is True:
        return False
    # Nobody said how it ended: what is left are signs of it.
    if item.told("error_type") is not None or item.attributes.get("error") is True:
        return True
    if truth(item.told("tool_status")) is False:
        return True
    # An exception was recorded on the way. Where there is an answer, it was not the end.
    is_handled = truth(item.exception.get("exception.escaped")) is False
    return bool(item.exception) and not is_handled and item.told("finish") is None


def _of_failure(item: Item) -> Ending:
    if number(item.told("http")) == _CLIENT_CLOSED:
        return Ending.CANCELLED
    reason = message(item)
    for name in _classes(item):
        if _is_control_flow(name):
            return Ending.PAUSED
        if _is_cancel(name) and not _TIME_OUT.search(f"{name} {reason[:_LOOKED_AT]}"):
            return Ending.CANCELLED
    stopped = _STOPPED.fullmatch(reason[:_LOOKED_AT].strip().lower())
    return Ending.CANCELLED if stopped else Ending.FAILED


def message(item: Item) -> str:
    """What an item says of its failure; empty if nothing."""
    exception = item.exception.get("exception.message")
    for words in (item.told("error"), exception, item.status_message):
        if words and not isinstance(words, bool):
            return words if isinstance(words, str) else preview(words) or ""
    return ""


def error_class(item: Item) -> str | None:
    """What an item calls its failure."""
    word = text(item.told("error_type")) or text(item.exception.get("exception.type"))
    if word is not None and not _is_general(_last_part(word)):
        return word
    return next((name for name in _classes(item) if _A_CLASS.fullmatch(name)), word)


_BEGINS = re.compile(r"([A-Za-z_][\w.$:]{2,120}?)(?:\(|:\s|:?$)")
_A_CLASS = re.compile(r"[A-Z]\w*(?:Error|Exception|Interrupt|Timeout|Exit|Fault|Failure)")
_GENERAL = frozenset(("", "error", "exception", "_other", "str", "none", "object"))


def _is_general(name: str) -> bool:
    return name.lower() in _GENERAL or name.isdigit()


def _classes(item: Item) -> Iterator[str]:
    """The names of a failure, without the modules that they come from. Where there are none that
    say anything, a message may begin with one."""
    names = [item.told("error_type"), item.exception.get("exception.type")]
    plain = [_last_part(text(name) or "") for name in names]
    if all(map(_is_general, plain)):
        for value in (item.exception.get("exception.message"), item.status_message, message(item)):
            begins = _BEGINS.match(value) if isinstance(value, str) else None
            plain.append(_last_part(begins[1]) if begins else "")
    yield from filter(None, plain)


def _last_part(name: str) -> str:
    return re.split(r"[.$:]", name[:240].rstrip(".:$"))[-1]


# Frameworks interrupt themselves so to ask a person, to pause, or to go on in another place.
_CONTROL_FLOW = frozenset(
    (
        *("graphinterrupt", "nodeinterrupt", "graphbubbleup", "parentcommand", "graphdelegate"),
        *("interrupt", "calldeferred", "waitingfor", "waitingforevent", "userinputrequired"),
        *("stopagentrun", "runpaused", "agentrunpaused", "pauseexecution", "suspendexecution"),
        *("humaninputrequired", "inputrequired", "agentpaused", "workflowsuspended", "suspend"),
        *("generatorexit", "urlelicitationrequired", "elicitationrequired", "toolpaused"),
    )
)
_ENDINGS = re.compile(r"(?:error|exception|event)$")
_ASKS = re.compile(
    r"approval|(?:human|user|tool|agent|workflow|graph|node|task|handoff|run|step|call)"
    r"_?interrupt(?:ed|ion)?$|(?:(?:human|user|tool)_?(?:input|permission|feedback)|confirmation)_?"
    r"(?:is_?)?(?:required|requested|needed|pending)|await(?:ing)?_?(?:human|user|confirmation)"
)
# An approval that was asked for is a pause; one that failed or was never given is not asking.
_NOT_ASKING = re.compile(r"fail|timeout|timed_?out|invalid|expired|unavailable")


def _is_control_flow(name: str) -> bool:
    word = name.lower()
    if word == "interruptederror":  # a system call's
        return False
    plain = _ENDINGS.sub("", word)
    return plain in _CONTROL_FLOW or bool(_ASKS.search(plain) and not _NOT_ASKING.search(plain))


_CANCEL = re.compile(
    r"(?:err_|api_?|user_?|client_?|request_?|response_?|operation_?|task_?|job_?|run_?|call_?|tool_?"
    r"|agent_?|turn_?|context_?|workflow_?|graph_?|stream_?|generation_?|execution_?|future_?|prompt_?)*"
    r"(?:abort(?:ed)?|cancel(?:l?ed|lation)?)(?:_?by_?user)?|keyboardinterrupt|sigint"
    r"|client_?disconnect(?:ed)?"
)
_TIME_OUT = re.compile(r"time_?d?[ -]?out|deadline", re.IGNORECASE)
_STOPPED = re.compile(
    r"(?:the |this |an? )?(?:user )?(?:operation|request|run|call|generation|task|stream)?"
    r"(?: was| has been)? ?"
    r"(?:aborted|cancell?ed)(?: by (?:the )?user)?(?: a request)?\.?"
    # Go puts in front of it what was being done.
    r"|(?:.*[:=] )?context cancell?ed|signal is aborted without reason"
    r"|interrupted by (?:the )?user",
    re.DOTALL,
)


def _is_cancel(name: str) -> bool:
    word = name.lower().replace(" ", "_")
    # A thread of Java is interrupted by whoever cancels its work.
    return word == "interruptedexception" or bool(_CANCEL.fullmatch(_ENDINGS.sub("", word)))

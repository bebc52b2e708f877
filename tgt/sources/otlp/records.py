"""What a call, an answer or a failure looks like as a record, whoever tells it."""

from __future__ import annotations

import hashlib
from typing import Any

from tgt.sources.base import Record
from tgt.sources.coerce import finish, first, http_class, number, preview, text, upstream
from tgt.sources.otlp.attributes import NAMES, told
from tgt.sources.otlp.items import Item


def record_of(item: Item, act: str, actor: str, **more: Any) -> Record:
    """A record; its ``conv_id`` is the one that the item names itself."""
    record = {
        "us": item.us,
        "id": _identity(item),
        "actor": actor,
        "act": act,
        "cancelled": False,
        "conv_id": conversation(item),
        "trace_id": item.trace,
        "service": item.service,
        "version": item.around.version,
        **more,
    }
    if "subject" not in record:
        record["subject"] = f"{act}/{record['name']}" if record.get("name") else act
    return record


def conversation(item: Item) -> str | None:
    """The conversation that an item names itself."""
    return text(told(item.attributes, "conversation"))


def _identity(item: Item) -> str:
    if item.is_span and item.span:
        return f"{item.trace}:{item.span}"
    words = text(item.attributes.get("event.sequence")) or repr(sorted(item.attributes.items()))
    parts = (item.trace, item.span, item.us, item.name, words, item.around.session)
    return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=12).hexdigest()


def elapsed_ms(item: Item) -> float | None:
    """How long it took: a span from its start to its end, a log record as it says."""
    if item.is_span:
        if item.start_us is None or item.us is None or item.us < item.start_us:
            return None
        return (item.us - item.start_us) / 1000
    # Whoever writes 0 did not measure.
    names = NAMES["duration_ms"]
    return next((v for name in names if (v := number(item.attributes.get(name)))), None)


def tool(item: Item, phase: str, *, failed: bool | None, **more: Any) -> Record:
    """A call of a tool."""
    attributes = item.attributes
    name = text(told(attributes, "tool")) or suffix(item, "execute_tool ") or "unknown"
    record = {
        "phase": phase,
        "name": name,
        "failed": failed,
        "call_id": text(told(attributes, "call")),
        "elapsed_ms": elapsed_ms(item),
        "error": preview(error(item)) if failed else None,
        "error_type": text(told(attributes, "error_type")) if failed else None,
        "args_preview": preview(told(attributes, "arguments")),
        "result_preview": preview(told(attributes, "result")),
        "subject": f"tool_call/{name}",
        **more,
    }
    if failed and record["error_type"] is None:
        record["error_type"] = text(item.exception.get("exception.type"))
    return record_of(item, "tool_call", "tool", **record)


def own_tool(item: Item, record: Record) -> Record:
    """A coding agent's tool: one that it brings along is its own, and its maker documents it."""
    server = first(item.attributes, "mcp_server_name", "mcp_server", "mcp_server.name")
    is_added = server is not None or item.attributes.get("tool_type") == "mcp"
    if not is_added and not is_added_tool(record["name"]):
        record["actor"] = "assistant"
    return record


def is_added_tool(name: str) -> bool:
    """Whether the name is of a tool that somebody added to a coding agent."""
    return name.startswith("mcp") or "__" in name


def answer(item: Item, phase: str | None, **more: Any) -> Record:
    """A model's answer that came."""
    attributes = item.attributes
    model = text(told(attributes, "model"))
    record = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": False,
        "elapsed_ms": elapsed_ms(item),
        "finish_reason": finish(told(attributes, "finish")),
        "input_tokens": number(told(attributes, "input")),
        "output_tokens": number(told(attributes, "output")),
        "cost_usd": number(told(attributes, "cost")),
        "subject": f"assistant_response/{model}" if model else "assistant_response",
        **more,
    }
    return record_of(item, "assistant_response", "assistant", **record)


def api_error(item: Item, phase: str | None, **more: Any) -> Record:
    """A model's answer that did not come."""
    attributes = item.attributes
    model = text(told(attributes, "model"))
    word = text(told(attributes, "error_type")) or text(item.exception.get("exception.type"))
    kind = http_class(told(attributes, "http")) or http_class(word) or word
    record = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": True,
        "elapsed_ms": elapsed_ms(item),
        "error": preview(error(item)),
        "error_type": kind,
        "subject": upstream(kind, model),
        **more,
    }
    return record_of(item, "api_error", "assistant", **record)


def prompt(item: Item) -> Record:
    """The task of an agent that works on its own: nobody waits for its answer in a chat."""
    given = preview(told(item.attributes, "prompt"))
    return record_of(item, "prompt", "user", args_preview=given, subject="prompt")


def trouble(item: Item, act: str, name: str | None, **more: Any) -> Record:
    """Something of the agent itself that went wrong."""
    record = {
        "name": name,
        "failed": True,
        "error": preview(error(item)),
        "error_type": text(told(item.attributes, "error_type")),
        **more,
    }
    return record_of(item, act, "system", **record)


def error(item: Item) -> Any:
    """What an item says of its failure."""
    return (
        told(item.attributes, "error")
        or item.exception.get("exception.message")
        or item.status_message
    )


def suffix(item: Item, prefix: str) -> str | None:
    """What follows a prefix of the item's name."""
    return item.name[len(prefix) :] if item.name.startswith(prefix) else None

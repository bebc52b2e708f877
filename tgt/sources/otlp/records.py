"""What a call, an answer or a failure looks like as a record, whoever tells it."""

from __future__ import annotations

from typing import Any

from tgt.sources.agents import is_added_tool, says_failure
from tgt.sources.base import Record
from tgt.sources.coerce import (
    args_hash,
    error_text,
    finish,
    first,
    http_class,
    number,
    parsed,
    preview,
    result_bytes,
    template,
    text,
    truth,
    upstream,
)
from tgt.sources.otlp.items import Item
from tgt.sources.otlp.outcomes import Ending, error_class, message


def record_of(item: Item, act: str, actor: str, **more: Any) -> Record:
    """A record; its ``conv_id`` is the one that the item names itself."""
    record = {
        "us": item.us,
        "id": f"{item.trace}:{item.span}" if item.is_span and item.span else None,
        "actor": actor,
        "act": act,
        "cancelled": False,
        "conv_id": conversation(item),
        "trace_id": item.trace,
        "service": item.service,
        "version": item.around.version or text(item.told("version")),
        "prompt": template(
            item.told("template"), item.told("template_version"), item.told("template_hash")
        ),
        **more,
    }
    if "subject" not in record:
        record["subject"] = f"{act}/{record['name']}" if record.get("name") else act
    return record


def conversation(item: Item) -> str | None:
    """The conversation that an item names itself."""
    return text(item.told("conversation"))


def elapsed_ms(item: Item) -> float | None:
    """How long it took: a span from its start to its end, a log record as it says."""
    if item.is_span:
        if item.start_us is None or item.us is None or item.us < item.start_us:
            return None
        return (item.us - item.start_us) / 1000
    # Whoever writes 0 did not measure.
    return number(item.told("duration_ms")) or None


def outcome(item: Item, how: Ending | None) -> Record:
    """The columns that tell how a call ended; None where that is not told."""
    told_of: Record = {"failed": None, "error": None, "error_type": None}
    if how is Ending.CANCELLED:
        # How long it would have taken is not known.
        return told_of | {"cancelled": True, "error_type": "interrupted", "elapsed_ms": None}
    if how is Ending.PAUSED:
        return told_of | {"elapsed_ms": None}
    if how is Ending.FAILED:
        failure = {"error": error_text(message(item)), "error_type": error_class(item)}
        return told_of | {"failed": True} | failure
    return told_of | {"failed": None if how is None else False}


# --- tools ---------------------------------------------------------------------------------------


def tool(item: Item, phase: str, name: str | None, how: Ending | None, **more: Any) -> Record:
    """A call of a tool."""
    arguments, result = item.told("arguments"), item.told("result")
    record = {
        "phase": phase,
        "name": name,
        "call_id": text(item.told("call")),
        "elapsed_ms": elapsed_ms(item),
        "args_preview": preview(arguments),
        "args_hash": args_hash(arguments),
        "result_preview": preview(result),
        "result_bytes": number(item.told("result_bytes")) or result_bytes(result),
        "subject": f"tool_call/{name}" if name else "tool_call",
        **outcome(item, how),
        **more,
    }
    if record["failed"] is False:
        status = truth(item.told("tool_status"))
        record["soft_failed"] = status is False or says_failure(result)
        if record["soft_failed"]:
            record["error"] = record.get("error") or error_text(result)
    return record_of(item, "tool_call", "tool", **record)


def own_tool(item: Item, record: Record) -> Record:
    """A coding agent's tool: one that it brings along is its own, and its maker documents it."""
    server = first(item.attributes, "mcp_server_name", "mcp_server", "mcp_server.name")
    kinds = (item.attributes.get("tool_type"), item.attributes.get("gen_ai.tool.type"))
    is_added = server is not None or "mcp" in kinds or "extension" in kinds
    is_added = is_added or is_added_tool(record["name"] or "")
    return record | {"actor": "tool" if is_added else "assistant"}


# --- models --------------------------------------------------------------------------------------


def model_of(item: Item) -> str | None:
    return text(item.told("model"))


_LONGEST_ANSWER = 1 << 18


def finish_of(item: Item) -> str | None:
    """How an answer ended: as the item tells it, else as the provider's answer in it does."""
    reason = finish(item.told("finish"))
    answered = item.told("result")
    if reason is not None or not isinstance(answered, str | dict):
        return reason
    if isinstance(answered, str):
        if "reason" not in answered.lower()[:_LONGEST_ANSWER] or len(answered) > _LONGEST_ANSWER:
            return None
        answered = parsed(answered)
    return _finish_in(answered)


def _finish_in(answered: Any) -> str | None:
    """In the words of those providers that most have."""
    for name in ("choices", "candidates", "generations"):
        listed = answered.get(name) if isinstance(answered, dict) else None
        while isinstance(listed, list) and listed:
            listed = listed[0]
        if isinstance(listed, dict):
            answered = {**answered, **listed}
    if not isinstance(answered, dict):
        return None
    for holder in (answered, answered.get("incomplete_details"), answered.get("generation_info")):
        values = holder if isinstance(holder, dict) else {}
        reason = first(values, "finish_reason", "finishReason", "stop_reason", "stopReason")
        if reason is None and holder is not answered:
            reason = values.get("reason")
        if reason is not None:
            return finish(reason)
    return None


def answer(item: Item, phase: str | None, how: Ending = Ending.SUCCEEDED, **more: Any) -> Record:
    """A model's answer, or what became of the request for one."""
    if how is Ending.FAILED:
        return api_error(item, phase, **more)
    model = model_of(item)
    record = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": False,
        "elapsed_ms": elapsed_ms(item),
        "finish_reason": finish_of(item),
        "output_tokens": number(item.told("output")),
        "cost_usd": number(item.told("cost")),
        "subject": f"assistant_response/{model}" if model else "assistant_response",
        **_input_tokens(item),
        **({} if how is Ending.SUCCEEDED else outcome(item, how)),
        **more,
    }
    if how is Ending.CANCELLED:
        record["finish_reason"] = "cancelled"
    if record["finish_reason"] == "cancelled":
        record["cancelled"] = True
    return record_of(item, "assistant_response", "assistant", **record)


def _input_tokens(item: Item) -> Record:
    """All tokens of the input, and how many of them came from a cache.

    Most count those among the input. Who has more of them than of input does not.
    """
    tokens = number(item.told("input"))
    cached = number(item.told("cached"))
    if tokens is not None and cached is not None and cached > tokens:
        tokens = disjoint_tokens(item)
    return {"input_tokens": tokens, "cached_tokens": cached}


def disjoint_tokens(item: Item) -> float | None:
    """The tokens of the input where those from and for a cache are counted apart."""
    counts = [number(item.told(what)) for what in ("input", "cached", "cache_creation")]
    parts = [count for count in counts if count is not None]
    return sum(parts) if parts else None


def api_error(item: Item, phase: str | None, **more: Any) -> Record:
    """A request to a model that failed."""
    model = model_of(item)
    word = error_class(item)
    kind = http_class(item.told("http")) or http_class(word) or word
    record = {
        "phase": phase,
        "name": model,
        "model": model,
        "failed": True,
        "elapsed_ms": elapsed_ms(item),
        "error": error_text(message(item)),
        "error_type": kind,
        "subject": upstream(kind, model),
        **more,
    }
    return record_of(item, "api_error", "assistant", **record)


def embedding(item: Item, how: Ending) -> Record:
    """A model's embedding of a text."""
    told_of = {"name": model_of(item), "model": model_of(item), "elapsed_ms": elapsed_ms(item)}
    return record_of(
        item, "embeddings", "system", **told_of, **_input_tokens(item), **outcome(item, how)
    )


# --- the rest ------------------------------------------------------------------------------------


def prompt(item: Item) -> Record:
    """The task of an agent that works on its own: nobody waits for its answer in a chat."""
    text = preview(item.told("prompt"))
    return record_of(item, "prompt", "user", args_preview=text, subject="prompt")


def trouble(item: Item, act: str, name: str | None, **more: Any) -> Record:
    """Something of the agent itself that went wrong."""
    record = {
        "name": name,
        "failed": True,
        "error": error_text(message(item)),
        "error_type": text(item.told("error_type")),
        **more,
    }
    return record_of(item, act, "system", **record)


def suffix(item: Item, prefix: str) -> str | None:
    """What follows a prefix of the item's name."""
    return item.name[len(prefix) :] if item.name.startswith(prefix) else None

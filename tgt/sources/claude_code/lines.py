"""One line of a transcript: what all that is told by it shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tgt.sources.agents import COPY, identity
from tgt.sources.base import Record
from tgt.sources.coerce import number, preview, text

_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Line:
    """One line and what all records of it share."""

    def __init__(self, document: Mapping[str, Any], place: int, us: int) -> None:
        self.document, self.place, self.us = document, place, us
        self.directory = text(document.get("cwd"))
        message = document.get("message")
        self.message: Mapping[str, Any] | None = message if isinstance(message, dict) else None
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        blocks = content if isinstance(content, list) else []
        self.blocks = [block for block in blocks if isinstance(block, dict)]
        origin = document.get("forkedFrom")
        copied_from = text(origin.get("sessionId")) if isinstance(origin, dict) else None
        self.conversation = copied_from or text(document.get("sessionId"))
        self.agent = text(document.get("agentId")) or str(document.get("isSidechain"))
        self.uuid = uuid = text(document.get("uuid"))
        original = text(origin.get("messageUuid")) if isinstance(origin, dict) else None
        line = original or uuid
        self.key = identity("line", line, self.conversation) if line else None
        self._base: Record = {
            "us": us,
            "place": place,
            "revision": place - COPY if copied_from else place,
            "id": uuid,
            "key": self.key,
            "cancelled": False,
            "conv_id": self.conversation,
            "version": text(document.get("version")),
        }

    def record(self, act: str, actor: str, **more: Any) -> Record:
        """A record of this line; without ``more`` its subject is its act."""
        return {**self._base, "act": act, "actor": actor, "subject": act, **more}


TOKENS = ("input_tokens", "cached_tokens", "output_tokens")


def tokens(usage: Any) -> dict[str, float | None]:
    """The columns of TOKENS, as a message's usage tells them; nothing where it has none."""
    if not isinstance(usage, dict):
        return {}
    counts = [count for name in _INPUT if (count := number(usage.get(name))) is not None]
    return {
        "input_tokens": sum(counts) if counts else None,
        "cached_tokens": number(usage.get("cache_read_input_tokens")),
        "output_tokens": number(usage.get("output_tokens")),
    }


def said_in(blocks: list[dict[str, Any]]) -> str | None:
    """What the model said in a line; None where it said nothing."""
    texts = [block for block in blocks if block.get("type") == "text"]
    return (preview(texts) or "") if texts else None


def is_injected(document: Mapping[str, Any], message: str) -> bool:
    """Whether a line of the user's is the agent's own."""
    if document.get("isMeta") or document.get("isCompactSummary") or document.get("isSidechain"):
        return True
    return message.startswith(("<", "Caveat:"))

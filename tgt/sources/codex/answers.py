"""The answers of a rollout, which grow with their items and are given out again as they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tgt.sources.base import Record
from tgt.sources.codex.lineage import Lineage
from tgt.sources.coerce import args_hash, number


class Answers:
    """The last answer of the turn, and whether more of it may come."""

    def __init__(self, lineage: Lineage, state: Mapping[str, Any]) -> None:
        self._lineage = lineage
        self._count: int = state.get("count", 0)
        self._latest: dict[str, Any] | None = state.get("latest")
        self._grows: bool = state.get("grows", False)
        self._total: int | None = state.get("total")  # a hash of the tokens that were counted last

    def state(self) -> dict[str, Any]:
        return {
            "count": self._count,
            "latest": self._latest,
            "grows": self._grows,
            "total": self._total,
        }

    def begin_turn(self) -> None:
        self._count, self._latest, self._grows = 0, None, False

    @property
    def has_any(self) -> bool:
        """Whether the turn has an answer whose end is to be told."""
        return self._latest is not None

    def item(
        self,
        us: int,
        place: int,
        *,
        model: str | None,
        asked_us: int | None,
        reason: str | None = None,
        words: str | None = None,
    ) -> Record:
        """An item of an answer, of a new one where the last is whole. ``words``: its text."""
        if self._latest is None or not self._grows:
            self._count += 1
            self._grows = True
            self._latest = {
                "key": self._lineage.key("answer", self._count),
                "model": model,
                "asked": None if self._lineage.is_copying else asked_us,
                "reason": None,
                "place": place,
            }
        answer = self._latest
        answer["us"] = us
        answer["reason"] = reason or answer["reason"]
        if words is not None:
            answer["place"] = place  # what it said stands there
        return self._renewed(answer, place) | {"result_preview": words or None}

    def _renewed(self, answer: dict[str, Any], place: int) -> Record:
        answer["revision"] = self._lineage.revision(place)
        return self._record(answer)

    def _record(self, answer: Mapping[str, Any]) -> Record:
        us, asked_us, model = answer["us"], answer["asked"], answer["model"]
        return {
            **self._lineage.columns(us, answer["place"]),
            "revision": answer["revision"],
            "id": answer["key"],
            "key": answer["key"],
            "actor": "assistant",
            "act": "assistant_response",
            "cancelled": False,
            "name": model,
            "model": model,
            "failed": False,
            "finish_reason": answer["reason"],
            "elapsed_ms": (us - asked_us) / 1000
            if asked_us is not None and us >= asked_us
            else None,
            "input_tokens": answer.get("input"),
            "cached_tokens": answer.get("cached"),
            "output_tokens": answer.get("output"),
            "subject": f"assistant_response/{model}" if model else "assistant_response",
        }

    def close(self, place: int, *, reason: str | None) -> Iterator[Record]:
        """Something else follows. ``reason`` is how an answer ended of which nothing says that."""
        if self._grows and reason is not None:
            yield from self.end(place, reason)
        self._grows = False

    def end(self, place: int, reason: str) -> Iterator[Record]:
        """How the last answer ended, if it did not say that itself."""
        answer = self._latest
        if answer is not None and answer["reason"] is None:
            answer["reason"] = reason
            yield self._renewed(answer, place)

    def forget(self) -> None:
        """The turn is over."""
        self._latest, self._grows = None, False

    def unfinished(self, reason: str) -> Iterator[Record]:
        """The last answer as it is if nothing follows it any more."""
        answer = self._latest
        if answer is not None and self._grows and answer["reason"] is None:
            yield self._record({**answer, "reason": reason, "revision": answer["revision"] + 1})

    def tokens(self, usage: Any, total: Any, place: int) -> Iterator[Record]:
        """A count of tokens: what the last request took, and all of the session."""
        counted, answer = args_hash(total), self._latest
        if not isinstance(usage, dict) or answer is None or counted == self._total:
            return
        self._total = counted
        if answer.get("output") is None:
            answer["input"] = number(usage.get("input_tokens"))
            answer["cached"] = number(usage.get("cached_input_tokens"))
            answer["output"] = number(usage.get("output_tokens"))
            yield self._renewed(answer, place)

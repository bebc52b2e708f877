"""The reader of a session's lines.

A message of the model is a line per block, all with its id, and a tool's result comes as a line of
the user's. Here an answer is given out again as it grows, and a call is its start and its end. A
session is a conversation, sub-agents included, and the project that it works in is its service.
What a branch copied from another session stays that session's. Bookkeeping is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tgt.sources.agents import Recent, full_text, identity
from tgt.sources.base import SKIPPED, Outcome, Record, malformed, unknown
from tgt.sources.claude_code.api_errors import ABORTED, LENGTH, message_error, request_error
from tgt.sources.claude_code.calls import Calls
from tgt.sources.claude_code.lines import TOKENS, Line, is_injected, said_in, tokens
from tgt.sources.coerce import finish, moment, preview, text, upstream
from tgt.sources.projects import project_name

BOOKKEEPING = frozenset(
    (
        *("progress", "file-history-snapshot", "last-prompt", "queue-operation", "attachment"),
        *("api-request", "atis-latch", "tools-used", "cost-state", "summary", "pr-link"),
        *("custom-title", "ai-title", "agent-name", "agent-color", "agent-setting", "mode"),
        *("permission-mode", "tag", "worktree-state", "content-replacement", "marble-origami"),
        *("speculation-accept", "attribution-snapshot", "bridge-session", "task-summary"),
    )
)
_INTERRUPTED = "[Request interrupted by user"
_CUT_OFF = "Output token limit hit"


class Transcript:
    """The reader of one session's lines; ``directory`` names the project where no line does."""

    def __init__(self, directory: str, state: Mapping[str, Any] | None = None) -> None:
        kept = state or {}
        self._directory = directory
        self._project: str | None = kept.get("project")
        self._prompt: str | None = kept.get("prompt")
        self._mode: str | None = kept.get("mode")
        self._calls = Calls(kept.get("calls", {}))
        # Answers that may grow: when they were asked for, and what of them is known.
        self._answers = Recent(16, kept.get("answers"))
        self._times = Recent(64, kept.get("times"))
        # Of each agent the answer that was last, and whether something was said to it since.
        self._latest = Recent(8, kept.get("latest"))

    def state(self) -> Mapping[str, Any]:
        return {
            "project": self._project,
            "prompt": self._prompt,
            "mode": self._mode,
            "calls": self._calls.state(),
            "answers": dict(self._answers),
            "times": dict(self._times),
            "latest": dict(self._latest),
        }

    def finish(self) -> Iterable[Outcome]:
        return ()

    def take(self, document: Mapping[str, Any], place: int) -> Iterable[Outcome]:
        kind = document.get("type")
        if not isinstance(kind, str) or kind in BOOKKEEPING:
            self._remember(document)
            return (SKIPPED if isinstance(kind, str) else unknown(kind),)
        read = {"assistant": self._assistant, "user": self._user, "system": self._system}.get(kind)
        if read is None:
            return (unknown(kind),)
        us = moment(document.get("timestamp"))
        if us is None:
            return (malformed("no time"),)
        line = Line(document, place, us)
        if line.message is None and kind != "system":
            return (malformed("no message"),)
        self._project = self._project or project_name(line.directory)
        self._prompt = text(document.get("promptId")) or self._prompt
        shared = {
            "trace_id": text(document.get("agentId")) or self._prompt,
            "service": f"claude-code:{self._project or self._directory}",
        }
        outcomes = [record | shared for record in read(line)]
        if kind != "assistant":
            self._remember(document)
        return outcomes or (SKIPPED,)

    def _remember(self, document: Mapping[str, Any]) -> None:
        """When a line was written, for the answer that follows it, and what need not be asked."""
        self._mode = text(document.get("permissionMode")) or self._mode
        uuid = text(document.get("uuid"))
        us = moment(document.get("timestamp"))
        if uuid is not None and us is not None and document.get("type") != "progress":
            self._times[uuid] = us

    # --- the model's lines -----------------------------------------------------------------------

    def _assistant(self, line: Line) -> Iterator[Record]:
        message = line.message or {}
        if line.document.get("isApiErrorMessage"):
            yield from self._api_message(line, full_text(message.get("content")))
            return
        model = text(message.get("model"))
        if model == "<synthetic>":
            return
        name = text(message.get("id")) or line.uuid or str(line.us)
        answer = self._answers.get(name)
        if answer is None:
            answer = {"model": model, "us": line.us, "asked": self._asked_us(line)}
        self._answers[name] = answer
        self._latest[line.agent] = [name, False]
        self._calls.written(name, line.us)
        calls = [block for block in line.blocks if block.get("type") == "tool_use"]
        shown = said_in(line.blocks)
        answer["us"] = max(answer["us"], line.us)
        answer["uses"] = answer.get("uses", False) or bool(calls)
        if shown is not None:
            answer["says"] = line.place
        answer["reason"] = finish(message.get("stop_reason")) or answer.get("reason")
        answer.update(tokens(message.get("usage")))
        yield self._answer(line, name, answer) | {"result_preview": shown}
        for block in calls:
            yield from self._calls.used(line, name, block, self._mode)

    def _asked_us(self, line: Line) -> int | None:
        asked_us: int | None = self._times.get(text(line.document.get("parentUuid")) or "")
        return asked_us

    @staticmethod
    def _answer(line: Line, name: str, answer: Mapping[str, Any]) -> Record:
        model, asked_us, us = answer.get("model"), answer.get("asked"), answer["us"]
        reason = answer.get("reason")
        if reason is None and (answer.get("uses") or answer.get("says") is not None):
            # Old versions leave the reason out, but say where an answer was cut off.
            reason = "tool_calls" if answer.get("uses") else "stop"
        return line.record(
            "assistant_response",
            "assistant",
            us=us,
            id=name,
            key=identity("answer", name, line.conversation),
            # What it said stands where its last words are.
            place=answer.get("says", line.place),
            name=model,
            model=model,
            failed=False,
            finish_reason=reason,
            elapsed_ms=(us - asked_us) / 1000 if asked_us is not None and us >= asked_us else None,
            subject=f"assistant_response/{model}" if model else "assistant_response",
            **{name: answer.get(name) for name in TOKENS},
        )

    def _api_message(self, line: Line, message: str) -> Iterator[Record]:
        """What Claude Code says in place of an answer."""
        kind = message_error(line.document, message)
        if kind == LENGTH:
            yield self._cut_off(line) or self._lost(line, message)
        elif kind != ABORTED:
            yield _failure(line, kind, preview(message))

    def _cut_off(self, line: Line, *, is_late: bool = False) -> Record | None:
        """The last answer, which was not finished; None if there is none, or if something else was
        said since, unless what says so comes late."""
        name, is_answered = self._latest.get(line.agent, ("", False))
        answer = self._answers.get(name)
        if answer is None or (is_answered and not is_late):
            return None
        answer["reason"] = "length"
        return self._answer(line, name, answer)

    def _lost(self, line: Line, message: str) -> Record:
        """An answer that was cut off before it left a line."""
        answer = {"us": line.us, "asked": self._asked_us(line), "reason": "length"}
        name = line.uuid or str(line.us)
        return self._answer(line, name, answer) | {"result_preview": preview(message)}

    # --- the other lines -------------------------------------------------------------------------

    def _user(self, line: Line) -> Iterator[Record]:
        if line.agent in self._latest:
            self._latest[line.agent] = [self._latest[line.agent][0], True]
        results = [block for block in line.blocks if "tool_use_id" in block]
        for block in results:
            yield from self._calls.answered(line, block)
        message = preview((line.message or {}).get("content")) if not results else None
        if message is None:
            return
        if message.startswith(_INTERRUPTED):
            yield line.record("interruption", "user", cancelled=True)
        elif message.startswith(_CUT_OFF):
            answer = self._cut_off(line, is_late=True)
            if answer is not None:
                yield answer
        elif not is_injected(line.document, message):
            yield line.record("prompt", "user", args_preview=message)

    @staticmethod
    def _system(line: Line) -> Iterator[Record]:
        if line.document.get("subtype") == "api_error":
            kind, message = request_error(line.document)
            if kind != ABORTED:
                yield _failure(line, kind, message)


def _failure(line: Line, kind: str, message: str | None) -> Record:
    about = upstream(kind, None)
    return line.record(
        "api_error", "assistant", failed=True, error=message, error_type=kind, subject=about
    )

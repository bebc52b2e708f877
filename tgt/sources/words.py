"""What the words of foreign telemetry mean: each list once, for Python and for SQL alike.

All words are lower-case, with underscores for hyphens.
"""

from __future__ import annotations

from collections.abc import Mapping

OUTCOMES: Mapping[str, bool] = {
    **dict.fromkeys(("ok", "success", "succeeded", "completed", "complete", "done"), False),
    **dict.fromkeys(("true", "yes", "passed", "pass", "successful", "finished"), False),
    **dict.fromkeys(
        ("error", "errored", "err", "failed", "failure", "fail", "timeout", "timed_out"), True
    ),
    **dict.fromkeys(("exception", "crashed", "unsuccessful", "false", "no"), True),
}
"""Whether what has this status failed."""

ABORTS = frozenset(
    (
        *("cancelled", "canceled", "cancel", "aborted", "abort", "interrupted", "user_abort"),
        *("user_aborted", "user_cancel", "user_cancelled", "turn_aborted", "request_aborted"),
        *("request_cancelled", "conversation_aborted", "conversation_cancelled"),
    )
)
"""Somebody stopped it."""

REFUSALS = frozenset(
    (
        *("rejected", "reject", "denied", "deny", "declined", "user_reject", "user_rejected"),
        *("user_abort", "user_denied", "approval_denied", "approval_rejected"),
    )
)
"""A person refused it, which is not a failure of the tool."""

FINISHES: Mapping[str, str] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "completed", "complete", "eos"), "stop"),
    **dict.fromkeys(("end", "done", "eos_token", "end_of_turn", "end_of_message"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_token"), "length"),
    **dict.fromkeys(("model_length", "model_context_window_exceeded", "incomplete"), "length"),
    **dict.fromkeys(("max_completion_tokens", "token_limit", "max_new_tokens"), "length"),
    **dict.fromkeys(("max_len", "max_length", "out_of_tokens", "maximum_tokens"), "length"),
    **dict.fromkeys(("context_length_exceeded", "context_window_exceeded"), "length"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    "pause_turn": "tool_calls",
    **dict.fromkeys(("content_filter", "safety", "refusal", "recitation"), "content_filter"),
    **dict.fromkeys(("content_filtered", "guardrail_intervened"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "language"), "content_filter"),
    **dict.fromkeys(ABORTS, "cancelled"),
    **dict.fromkeys(("error", "malformed_function_call", "failed"), "error"),
}
"""How an answer ended, in the one vocabulary."""

FINISH_PREFIX = r"^(?:(?:finish|stop)_?)?reason[_.]"
"""What some write before a finish reason, in lower case."""

TRUTHS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "1", "yes", "success", "succeeded", "successful", "ok"), True),
    **dict.fromkeys(("false", "0", "no", "error", "errored", "failed", "failure", "fail"), False),
}

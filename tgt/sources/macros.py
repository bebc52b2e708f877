"""What every source says the same way in SQL: numbers, times, outcomes and finish reasons.

Telemetry is read as text and converted here, so that a wrong type makes one value NULL and never
a record invalid. The macros are built from constants of this module alone.
"""

from __future__ import annotations

from collections.abc import Mapping


def constant_map(words: Mapping[str, object]) -> str:
    """A constant map of the statement: a look-up plans many times faster than a long CASE."""
    pairs = (
        f"'{word}': {str(value).lower() if value in (True, False) else repr(value)}"
        for word, value in words.items()
    )
    return "MAP {" + ", ".join(pairs) + "}"


OUTCOME_WORDS = {
    **dict.fromkeys(("ok", "success", "succeeded", "completed", "complete", "done"), False),
    **dict.fromkeys(("error", "failed", "failure", "fail", "timeout", "timed_out"), True),
    **dict.fromkeys(("exception", "crashed"), True),
}
ABORTS: Mapping[str, object] = dict.fromkeys(
    (
        *("cancelled", "canceled", "cancel", "aborted", "abort", "interrupted", "user_abort"),
        *("user_aborted", "user_cancel", "user_cancelled", "turn_aborted", "request_aborted"),
        *("request_cancelled", "conversation_aborted", "conversation_cancelled"),
    ),
    True,
)
# What a person refused is not a failure of the tool.
REFUSALS: Mapping[str, object] = dict.fromkeys(
    (
        *("rejected", "reject", "denied", "deny", "declined", "user_reject", "user_rejected"),
        *("user_abort", "user_denied", "approval_denied", "approval_rejected"),
    ),
    True,
)
FINISH_WORDS: Mapping[str, object] = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "completed", "complete", "eos"), "stop"),
    **dict.fromkeys(("end", "done"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "max_token"), "length"),
    **dict.fromkeys(("model_length", "model_context_window_exceeded", "incomplete"), "length"),
    **dict.fromkeys(("max_completion_tokens", "token_limit"), "length"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
    "pause_turn": "tool_calls",
    **dict.fromkeys(("content_filter", "safety", "refusal", "recitation"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "language"), "content_filter"),
    **dict.fromkeys(ABORTS, "cancelled"),
    **dict.fromkeys(("error", "malformed_function_call", "failed"), "error"),
}

MACROS = (
    # A macro writes its argument as often as its text does, and each time it is worked out.
    "CREATE OR REPLACE TEMP MACRO number(t) AS CASE"
    " WHEN TRY_CAST(t AS DOUBLE) BETWEEN 0 AND 1.7976931348623157e308 THEN CAST(t AS DOUBLE) END",
    # An ISO 8601 time (UTC where it has no offset) or a Unix time in s, ms, us or ns by its size.
    # Most end in a Z, which can be told without asking for time zones.
    """CREATE OR REPLACE TEMP MACRO moment(t) AS CASE
        WHEN t IS NULL OR t < '0' OR t >= ':' THEN NULL
        WHEN t LIKE '____-%Z' THEN coalesce(epoch_us(TRY_CAST(t AS TIMESTAMP)),
            epoch_us(TRY_CAST(replace(upper(t), ',', '.') AS TIMESTAMPTZ)))
        WHEN t[5] = '-' THEN epoch_us(coalesce(TRY_CAST(t AS TIMESTAMPTZ),
            TRY_CAST(replace(upper(t), ',', '.') AS TIMESTAMPTZ)))
        ELSE TRY_CAST(number(t) * CASE length(split_part(t, '.', 1)) // 3
            WHEN 6 THEN 1e-3 WHEN 5 THEN 1 WHEN 4 THEN 1e3 ELSE 1e6 END AS BIGINT) END""",
    # A scalar as trimmed text; objects, arrays and blanks are no value. Nearly all texts begin with
    # a letter or digit and do not end in a space, which comparing tells ten times faster.
    """CREATE OR REPLACE TEMP MACRO word(t) AS CASE
        WHEN (t BETWEEN '0' AND '[' OR t BETWEEN '^' AND '{') AND NOT suffix(t, ' ') THEN t
        WHEN t[1] IN ('{', '[') AND json_valid(t) THEN NULL
        ELSE nullif(trim(t), '') END""",
    # false for the words of success, true for those of failure, NULL for all others.
    f"""CREATE OR REPLACE TEMP MACRO failure(s) AS CASE s
        WHEN 'ok' THEN false WHEN 'error' THEN true
        ELSE coalesce({constant_map(OUTCOME_WORDS)}[lower(s)], number(s) >= 400) END""",
    f"""CREATE OR REPLACE TEMP MACRO is_abort(w) AS
        coalesce({constant_map(ABORTS)}[lower(w)], false)""",
    f"""CREATE OR REPLACE TEMP MACRO is_refusal(w) AS
        coalesce({constant_map(REFUSALS)}[lower(w)], false)""",
    f"""CREATE OR REPLACE TEMP MACRO finish(w) AS CASE WHEN w IS NOT NULL THEN coalesce(
        {constant_map(FINISH_WORDS)}[
            replace(regexp_replace(lower(w), '^finish_?reason[_.]', ''), '-', '_')],
        'other') END""",
)

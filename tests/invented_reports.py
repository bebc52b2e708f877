"""Reports that were made up, for the tests of their forms."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from tgt.analyzers.figures import Unit
from tgt.analyzers.outlook import Outlook
from tgt.engine.summary import ErrorSummary, Kind, SubjectSummary, Summary, Sums
from tgt.events import Interval
from tgt.report import MOST, Conversations, Loop, Report

END = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
_STEPS = 84

HOSTILE = (
    "</td></style></svg><script>alert(1)</script>",
    "\"' onmouseover=alert(1) x='",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe\u200b",
    "javascript:alert(1) https://evil.example/x?y=z www.evil.example",
    "| a | b |\n# heading\n```\n<!-- -->",
    "@everyone #1 [x](https://evil.example) ![y](https://evil.example/z.png) `code`",
    "&lt;b&gt; &amp; <b>bold</b> <img src=x onerror=alert(1)>",
    "<meta http-equiv=refresh content=0> <base href=//evil.example>",
    "{{7*7}} ${7*7} %0d%0a \x00",
    "\U0001f600\u6f22\u5b57 \u0635\u0644\u0649\u0301\u0301\u0301\u0301\u0301\u0301\u0301" * 9,
)
"""What may not act on a terminal, in Markdown or in a browser."""


def report() -> Report:
    """A week with something of everything, and one before it."""
    series = tuple((n % 24 * 4, 1 if n % 24 == 20 else 0) for n in range(_STEPS))
    shell = Sums(412, 31, 4, 3, 1, 0, 40, 412, 0, 210.0, 9100.0)
    before = Sums(390, 12, 0, 0, 0, 0, 38, 390, 0, 205.0, 8800.0)
    model = Sums(611, 0, 0, 0, 0, 3, 41, 611, 608, 4100.0, 15200.0, 9.1e6, 8.5e6, 1.2e5)
    summary = Summary(
        Interval(END - 7 * 24 * HOUR, END),
        Interval(END - 14 * 24 * HOUR, END - 7 * 24 * HOUR),
        2 * HOUR,
        Sums(1250, 93, 4, 3, 1, 3, 41, 1240, 608, 900.0, 14000.0, 9.1e6, 8.5e6, 1.2e5),
        Sums(1100, 14, 0, 0, 0, 0, 39, 1100, 590, 850.0, 13000.0, 8e6, 7e6, 1e5),
        series,
        (
            SubjectSummary("tool_call/Bash", Kind.TOOL, shell, before, series),
            SubjectSummary("tool_call/Read", Kind.TOOL, Sums(150, told=150), Sums(), series),
            SubjectSummary("assistant_response/opus", Kind.MODEL, model, model, series),
            SubjectSummary(
                "upstream/http_529", Kind.UPSTREAM, Sums(60, 60, told=60), series=series
            ),
            SubjectSummary("hook_failed", Kind.OTHER, Sums(2, 2, told=2), series=series),
        ),
        {Kind.TOOL: 123},
        (
            ErrorSummary(
                "tool_call/Bash", "sudo: a terminal is required", 5, 3, END - 90 * HOUR, END, 4
            ),
            ErrorSummary("tool_call/Read", "File does not exist", 3, 1, END - 9 * HOUR, END - HOUR),
        ),
        7,
    )
    return Report(
        ("claude-code:/logs",),
        summary,
        Conversations(41, 40, 2, 5, 1),
        Conversations(39, 39, 1, 4, 0),
        8,
        (
            Loop("tool_call/Bash", "identical", 7, "c-1", 4.2, 81000.0),
            Loop("tool_call/Edit", "alternating", 8, None, 1.5, 0.0, "tool_call/Read"),
        ),
        coverage=_coverage(),
        loops_before=3,
    )


def _coverage() -> tuple[Outlook, ...]:
    spike = "error_spike"
    return (
        Outlook("continuation", "all", missing="no responses of a model"),
        *(
            Outlook(
                spike,
                f"tool_call/t{n}",
                True,
                "",
                None,
                3 + n / 10,
                Unit.RATIO,
                0.02,
                Unit.SHARE,
                120,
                "conversations a day",
            )
            for n in range(6)
        ),
        Outlook(spike, "tool_call/rare", missing="12 of 200 uses", judgeable_at=END + 30 * HOUR),
        Outlook(spike, "tool_call/rarer", missing="12 of 200 uses", judgeable_at=END + 90 * HOUR),
        Outlook(spike, "tool_call/never", missing="no record tells whether it failed"),
        Outlook(
            "performance",
            "tool_call/Bash",
            True,
            "",
            None,
            1.6,
            Unit.RATIO,
            9100,
            Unit.MS,
            80,
            "calls in 4 hours",
        ),
        Outlook(
            "ux_issue",
            "conversations/aborted",
            True,
            "",
            None,
            0.4,
            Unit.SHARE,
            None,
            None,
            20,
            "finished conversations in 60 minutes",
        ),
        Outlook("recurring_error", "all", True),
    )


def empty() -> Report:
    """Nothing happened, and nothing can be judged."""
    whole = report()
    period = Interval(END - 24 * HOUR, END)
    summary = Summary(period, Interval(END - 48 * HOUR, period.start), HOUR / 4)
    nothing = Conversations()
    return replace(
        whole,
        summary=summary,
        conversations=nothing,
        conversations_before=nothing,
        loops=(),
        coverage=(),
    )


def single() -> Report:
    """One call, and nothing else."""
    nothing = empty()
    one, series = Sums(1, told=1), ((0, 0),) * 95 + ((1, 0),)
    subject = SubjectSummary("tool_call/only", Kind.TOOL, one, series=series)
    summary = replace(nothing.summary, total=one, series=series, subjects=(subject,))
    return replace(nothing, summary=summary)


def hostile() -> Report:
    """As much as there can be, and all of it wants to act."""
    whole = report()
    words = [HOSTILE[n % len(HOSTILE)] * (1 + n % 40) + str(n) for n in range(MOST)]
    sums = Sums(
        10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 10**9, 1, 1e9, 1e12, 1e15, 1e15, 1e15
    )
    series = ((10**9, 10**8),) * 96
    summary = replace(
        whole.summary,
        total=sums,
        total_before=sums,
        series=series,
        subjects=tuple(
            SubjectSummary(f"{kind}/{word}", kind, sums, sums, series)
            for kind in Kind
            for word in words
        ),
        errors=tuple(
            ErrorSummary(f"tool_call/{word}", word, 10**9, 10**9, END - 999 * HOUR, END)
            for word in words
        ),
        left_out=dict.fromkeys(Kind, 10**6),
    )
    return replace(
        whole,
        sources=tuple(words),
        summary=summary,
        loops=tuple(Loop(word, word, 10**6, word, 1e9, 1e15, word) for word in words),
        coverage=tuple(
            Outlook(word, f"tool_call/{other}", missing=other)
            for word in words[:12]
            for other in words[:40]
        ),
        warnings=tuple(words),
    )

"""``tgt report --json``: all of a report in one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tgt.engine.summary import ErrorSummary, Kind, SubjectSummary, Sums
from tgt.tasks.json_form import json_form

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tgt.analyzers.outlook import Outlook
    from tgt.report import Conversations, Loop, Report


def document(report: Report) -> dict[str, Any]:
    summary = report.summary
    return {
        "report": {
            "since": json_form(report.period.start),
            "until": json_form(report.period.end),
            "before": {
                "since": json_form(summary.before.start),
                "until": json_form(summary.before.end),
            },
            "sources": list(report.sources),
            "events": summary.total.events,
            "lastEventAt": json_form(report.newest),
            "conversations": {
                **_conversations(report.conversations),
                "before": _conversations(report.conversations_before),
            },
            "tools": [_tool(each) for each in _of(report, Kind.TOOL)],
            "models": [_model(each) for each in _of(report, Kind.MODEL)],
            "upstream": [_failing(each) for each in _of(report, Kind.UPSTREAM)],
            "others": [_failing(each) for each in _of(report, Kind.OTHER)],
            "errors": [_error(each) for each in summary.errors],
            "loopsBefore": report.loops_before,
            "loops": [_loop(each) for each in report.loops],
            "coverage": [_outlook(each) for each in report.coverage],
            "series": {
                "stepMs": json_form(summary.step),
                "events": [events for events, _ in summary.series],
                "failures": [failures for _, failures in summary.series],
            },
            "leftOut": {
                "tools": summary.left_out.get(Kind.TOOL, 0),
                "models": summary.left_out.get(Kind.MODEL, 0),
                "upstream": summary.left_out.get(Kind.UPSTREAM, 0),
                "others": summary.left_out.get(Kind.OTHER, 0),
                "errors": summary.errors_left_out,
                "loops": report.loops_left_out,
            },
            "warnings": list(report.warnings),
        }
    }


def _of(report: Report, kind: Kind) -> Iterator[SubjectSummary]:
    return (each for each in report.summary.subjects if each.kind is kind)


def _conversations(conversations: Conversations) -> dict[str, int]:
    return dict(json_form(conversations))


def _tool(summary: SubjectSummary) -> dict[str, Any]:
    return {"subject": summary.subject, **_calls(summary.now), "before": _calls(summary.before)}


def _calls(sums: Sums) -> dict[str, Any]:
    return {
        "calls": sums.events,
        "failures": sums.failures,
        "softFailures": sums.soft_failures,
        "refused": sums.refused,
        "cancelled": sums.cancelled,
        "conversations": sums.conversations,
        **_latency(sums),
    }


def _model(summary: SubjectSummary) -> dict[str, Any]:
    return {
        "subject": summary.subject,
        **_responses(summary.now),
        "before": _responses(summary.before),
    }


def _responses(sums: Sums) -> dict[str, Any]:
    return {
        "responses": sums.events,
        "truncated": sums.truncated,
        "failures": sums.failures,
        "conversations": sums.conversations,
        **_latency(sums),
        "tokens": {
            "input": round(sums.input_tokens),
            "cached": round(sums.cached_tokens),
            "output": round(sums.output_tokens),
        },
    }


def _failing(summary: SubjectSummary) -> dict[str, Any]:
    def of(sums: Sums) -> dict[str, Any]:
        return {"failures": sums.failures, "conversations": sums.conversations}

    return {"subject": summary.subject, **of(summary.now), "before": of(summary.before)}


def _error(summary: ErrorSummary) -> dict[str, Any]:
    document = json_form(summary, first="firstSeenAt", last="lastSeenAt")
    return {**document, "before": {"count": summary.before}}


def _latency(sums: Sums) -> dict[str, float | None]:
    return {"p50Ms": _ms(sums.p50_ms), "p95Ms": _ms(sums.p95_ms)}


def _ms(value: float | None) -> float | None:
    """Milliseconds as exact as they are known, which is to one in a hundred."""
    return None if value is None else float(f"{value:.3g}")


def _loop(loop: Loop) -> dict[str, Any]:
    return {
        **json_form(loop),
        "minutes": round(loop.minutes, 1),
        "tokens": round(loop.tokens),
    }


def _outlook(outlook: Outlook) -> dict[str, Any]:
    def short(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.3g}")

    return {
        **json_form(outlook),
        "missing": outlook.missing or None,
        "smallestChange": short(outlook.smallest_change),
        "usual": short(outlook.usual),
        "of": outlook.of or None,
    }

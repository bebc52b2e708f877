"""What a report says, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tgt import subjects
from tgt.engine.summary import Kind, SubjectSummary, Sums
from tgt.output import report_coverage, words
from tgt.output.report_content import Cell, Column, Fact, Row, Section, amount

if TYPE_CHECKING:
    from tgt.report import Report


def facts(report: Report) -> tuple[Fact, ...]:
    """The whole in a few numbers."""
    now, earlier = report.summary.total, report.summary.total_before

    def fact(label: str, beside: str, of: Callable[[Sums], str]) -> Fact:
        return Fact(label, of(now), beside, of(earlier) if report.has_before else "")

    talks, then = report.conversations, report.conversations_before
    judged = (
        f"of {words.plural(talks.finished, 'finished one')}: {talks.aborted} given up,"
        f" {talks.long_wait} waited over {report.long_wait_s:g} s,"
        f" {talks.error_heavy} full of errors"
    )
    shown = [
        Fact(
            "conversations",
            words.count(talks.total),
            judged if talks.finished else "",
            words.count(then.total) if report.has_before else "",
        ),
        fact("events", "", lambda sums: words.count(sums.events)),
        fact("failures", _share(now.failures, now.told), lambda s: words.count(s.failures)),
    ]
    loops = len(report.loops) + report.loops_left_out
    if loops or report.loops_before:
        before = words.count(report.loops_before) if report.has_before else ""
        shown.append(Fact("loops", words.count(loops), "", before))
    for label, count in _RARE.items():
        if count(now) or count(earlier):
            shown.append(fact(label, "", _written(count)))
    if now.input_tokens or now.output_tokens:
        cached = now.cached_tokens and f"{_share(now.cached_tokens, now.input_tokens)} from a cache"
        shown += [
            fact("input tokens", cached or "", lambda s: amount(s.input_tokens)),
            fact("output tokens", "", lambda s: amount(s.output_tokens)),
        ]
    return tuple(shown)


_RARE: Mapping[str, Callable[[Sums], int]] = {
    "soft failures": lambda sums: sums.soft_failures,
    "refused": lambda sums: sums.refused,
    "cancelled": lambda sums: sums.cancelled,
}


def _written(count: Callable[[Sums], int]) -> Callable[[Sums], str]:
    return lambda sums: words.count(count(sums))


def sections(report: Report, most: int) -> Iterator[Section]:
    """All tables, of at most so many rows each."""
    by_kind: dict[Kind, list[SubjectSummary]] = {kind: [] for kind in Kind}
    for each in report.summary.subjects:
        by_kind[each.kind].append(each)
    yield _subjects(report, Kind.TOOL, "tools", "Tools", _TOOL, by_kind[Kind.TOOL], most)
    yield _subjects(report, Kind.MODEL, "models", "Models", _MODEL, by_kind[Kind.MODEL], most)
    if subjects := by_kind[Kind.UPSTREAM]:
        yield _subjects(report, Kind.UPSTREAM, "upstream", "Failing APIs", _FAILING, subjects, most)
    if subjects := by_kind[Kind.OTHER]:
        yield _subjects(report, Kind.OTHER, "others", "Other failures", _FAILING, subjects, most)
    yield _errors(report, most)
    yield _loops(report, most)
    yield report_coverage.section(report)


# --- tools, models, APIs -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Measure:
    """A column of sums: how it is written, and whether there is anything to write of it."""

    title: str
    keep: int
    text: Callable[[Sums], str]
    is_there: Callable[[Sums], object] = lambda _: True
    is_bad: Callable[[Sums], object] = lambda _: False
    always: bool = False


_P50 = _Measure("p50", 7, lambda s: _ms(s.p50_ms), lambda s: s.p50_ms is not None)
_P95 = _Measure("p95", 2, lambda s: _ms(s.p95_ms), lambda s: s.p95_ms is not None)
_FAILED = _Measure(
    "failed", 0, lambda s: words.count(s.failures), lambda s: s.failures, lambda s: s.failures
)
_SHARE = _Measure(
    "share",
    1,
    lambda s: _share(s.failures, s.told) if s.failures else "",
    lambda s: s.failures,
    lambda s: s.failures,
)
_TOOL = (
    _Measure("calls", 0, lambda s: words.count(s.events), always=True),
    _FAILED,
    _SHARE,
    _Measure("soft", 3, lambda s: words.count(s.soft_failures), lambda s: s.soft_failures),
    _Measure("refused", 4, lambda s: words.count(s.refused), lambda s: s.refused),
    _Measure("cancelled", 5, lambda s: words.count(s.cancelled), lambda s: s.cancelled),
    _P50,
    _P95,
)
_MODEL = (
    _Measure("answers", 0, lambda s: words.count(s.events), always=True),
    _FAILED,
    _SHARE,
    _Measure("cut off", 3, lambda s: words.count(s.truncated), lambda s: s.truncated),
    _P50,
    _P95,
    _Measure("input", 4, lambda s: amount(s.input_tokens), lambda s: s.input_tokens),
    _Measure(
        "cached",
        6,
        lambda s: _share(s.cached_tokens, s.input_tokens),
        lambda s: s.cached_tokens,
    ),
    _Measure("output", 5, lambda s: amount(s.output_tokens), lambda s: s.output_tokens),
)
_FAILING = (
    _Measure("failures", 0, lambda s: words.count(s.failures), always=True),
    _Measure("conversations", 2, lambda s: words.count(s.conversations), always=True),
)
_NOTHING = {Kind.TOOL: "No calls of tools.", Kind.MODEL: "No answers of models."}


def _subjects(
    report: Report,
    kind: Kind,
    key: str,
    title: str,
    measures: Sequence[_Measure],
    summaries: Sequence[SubjectSummary],
    most: int,
) -> Section:
    used = [
        measure
        for measure in measures
        if measure.always
        or any(measure.is_there(s) for each in summaries for s in (each.now, each.before))
    ]
    shown = summaries[:most]
    left = len(summaries) - len(shown) + report.summary.left_out.get(kind, 0)
    return Section(
        key,
        title,
        (Column("", is_number=False), *(Column(each.title, each.keep) for each in used)),
        tuple(
            Row(
                (
                    Cell(subjects.label(each.subject), is_foreign=True),
                    *(_cell(measure, each, report.has_before) for measure in used),
                ),
                each.series,
            )
            for each in shown
        ),
        _more(left),
        "" if summaries else _NOTHING.get(kind, ""),
    )


def _cell(measure: _Measure, summary: SubjectSummary, has_before: bool) -> Cell:
    before = measure.text(summary.before) if has_before else ""
    return Cell(measure.text(summary.now), before, bool(measure.is_bad(summary.now)))


# --- errors and loops ----------------------------------------------------------------------------


def _errors(report: Report, most: int) -> Section:
    every, now, has_before = report.summary.errors, report.period.end, report.has_before
    rows = (
        Row(
            (
                Cell(each.text, is_foreign=True),
                Cell(subjects.label(each.subject), is_foreign=True),
                Cell(words.count(each.count), words.count(each.before) if has_before else ""),
                Cell(words.count(each.conversations)),
                Cell(words.seen(each.first, now)),
                Cell(words.seen(each.last, now)),
            )
        )
        for each in every[:most]
    )
    titles = (
        Column("", is_number=False),
        Column("of", 2, is_number=False),
        Column("times"),
        Column("conversations", 1),
        Column("first", 4),
        Column("last", 3),
    )
    left = max(0, len(every) - most) + report.summary.errors_left_out
    note = "" if every else "No failure has a text."
    return Section("errors", "Commonest errors", titles, tuple(rows), _more(left), note)


_KINDS = {
    "identical": "the same call again and again",
    "failing": "failing again and again",
    "alternating": "taking turns",
    "mixed": "several tools failing",
    "again": "the same failure with other calls in between",
}


def _loops(report: Report, most: int) -> Section:
    def named(subject: str, partner: str | None) -> str:
        other = f" and {subjects.label(partner)}" if partner else ""
        return subjects.label(subject) + other

    rows = (
        Row(
            (
                Cell(named(each.subject, each.partner), is_foreign=True),
                Cell(_KINDS.get(each.kind, each.kind), is_foreign=True),
                Cell(words.count(each.calls)),
                Cell(words.length(timedelta(minutes=each.minutes))),
                Cell(amount(each.tokens) if each.tokens else ""),
                Cell(each.conv_id or "", is_foreign=True),
            )
        )
        for each in report.loops[:most]
    )
    titles = (
        Column("", is_number=False),
        Column("how", 2, is_number=False),
        Column("calls"),
        Column("took", 1),
        Column("tokens", 3),
        Column("conversation", 4, is_number=False),
    )
    left = max(0, len(report.loops) - most) + report.loops_left_out
    note = "" if report.loops else "No calls that went round in circles."
    return Section("loops", "Loops", titles, tuple(rows), _more(left), note)


# --- numbers --------------------------------------------------------------------------------------


def _more(left: int) -> str:
    return f"and {words.count(left)} more" if left > 0 else ""


def _share(part: float, whole: float) -> str:
    return words.percent(part / whole) if whole else ""


def _ms(value: float | None) -> str:
    return "" if value is None else words.milliseconds(value)

"""The telemetry lines behind a card: what counted when its problem was last seen.

Its analyzer is asked once more, as of then, for more examples than a card quotes; so whatever an
analyzer counts can be looked at, without anybody else knowing how it does. Where it does not find
the problem again, because telemetry is gone or settings are others, what is left are the samples
that the card keeps itself, with the lines where these still stand. Nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from tgt import subjects
from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.builder import with_samples
from tgt.analyzers.masking import presentable
from tgt.analyzers.registry import built_in, named
from tgt.config import Settings
from tgt.engine.protocol import Examples, Progress, Signal, Snapshot, Timeline
from tgt.engine.registry import open_timeline, telemetry_of
from tgt.engine.sequences import Recurrence, Run
from tgt.errors import TelemetryError, TgtError
from tgt.events import Interval, Sample, from_us
from tgt.judging import incident_of
from tgt.redact import masked_cut
from tgt.tasks.card import Card, Finding, Status, parse_time

Mask = Callable[[str], str]

LONGEST_TEXT = 500
_MOST_AT_ONCE = 20
_LONGEST_ID = 80
_LONGEST_WINDOW = timedelta(minutes=10080)
_LENGTH = re.compile(r"([0-9]{1,6}) (minutes|hours)")
_MICROSECOND, _MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)


@dataclass(frozen=True)
class Line:
    """An event with the place where it stands; ``file`` and ``line`` (from 1) are None where that
    is not known (any more). Every text is masked."""

    at: datetime
    subject: str
    file: str | None = None
    line: int | None = None
    conv_id: str | None = None
    event_id: str | None = None
    text: str | None = None
    elapsed_ms: float | None = None


@dataclass(frozen=True)
class Lines:
    """The lines in the order of their times. ``message`` says why there are fewer than one may
    expect; it is empty where there are not."""

    lines: tuple[Line, ...]
    message: str = ""
    warnings: tuple[str, ...] = ()


def lines(settings: Settings, card: Card, most: int, *, progress: Progress | None = None) -> Lines:
    """At most so many of the events that count for a card, the newest of as many conversations as
    possible."""
    mask = cache(settings.masked)
    windows = _windows(settings, card)
    own = tuple(_own(card))[:most]
    if not windows:
        return Lines(own, f"The card does not say when its problem was seen; {_left(own)}")
    analyzer, problem = _analyzer(settings, card)
    try:
        telemetry = telemetry_of(settings)
        with open_timeline(
            settings,
            telemetry,
            () if analyzer is None else analyzer.signals(settings),
            min(windows, key=lambda window: window.start),
            max(windows, key=lambda window: window.end),
            progress=progress,
            spills=True,
        ) as timeline:
            warnings = tuple(map(mask, (*telemetry.warnings, *timeline.warnings)))
            for window in windows if analyzer is not None else ():
                counted = _finding_now(
                    settings, timeline.at(window), cast("Analyzer", analyzer), card, most
                )
                if counted is not None:
                    finding, samples = counted
                    shown = tuple(_lines_of(card, finding, timeline.complete(samples), mask))
                    return Lines(shown, "" if shown else _NOTHING, warnings)
            located = tuple(_located(timeline, windows, card, own, mask))
    except TelemetryError as gone:
        return Lines(own, f"{mask(gone.message)}; {_left(own)}")
    missing = problem or f"Telemetry does not show the problem (any more) {_as_of(windows)}"
    return Lines(located, f"{missing}; {_left(located)}", warnings)


_NOTHING = "No event counts for this card: it is about events that are missing."


def _left(own: Sequence[Line]) -> str:
    if not own:
        return "and the card has no samples"
    there = sum(line.line is not None for line in own)
    place = "where they stood is not known" if not there else "with their lines"
    if 0 < there < len(own):
        place = f"{there} of them with their lines"
    return f"these are the samples of the card, {place}"


def _as_of(windows: Sequence[Interval]) -> str:
    return f"as of {windows[0].end:%Y-%m-%d %H:%M} UTC"


def _windows(settings: Settings, card: Card) -> list[Interval]:
    """In which windows a run saw the problem, as far as the card knows: the last time, then when
    its evidence was measured; as long as runs look now, and as long as the evidence says."""
    evidence = card.mapping("evidence")
    details = evidence.get("details")
    measured = details.get("historyEnd") if isinstance(details, Mapping) else None
    times = (
        *(card.time("lastSeenAt"), parse_time(measured)),
        *(card.time("savedAt"), card.time("generatedAt")),
    )
    lengths = [timedelta(minutes=settings.window_min)]
    if match := _LENGTH.fullmatch(str(evidence.get("timeWindow"))):
        lengths.append(timedelta(**{match[2]: int(match[1])}))
    return [
        Interval(end - length, end)
        for end in dict.fromkeys(time for time in times if time is not None)
        for length in dict.fromkeys(length for length in lengths if length <= _LONGEST_WINDOW)
        if length
    ]


def _analyzer(settings: Settings, card: Card) -> tuple[Analyzer | None, str]:
    """The analyzer that made the card, or why there is none."""
    name = card.analyzer
    if not name:
        name = next((each.name for each in built_in() if each.task_type == card.type), "")
    if not name:
        return None, f"No analyzer makes cards of the type {card.type or '?'}"
    try:
        return named(settings, name), ""
    except TgtError as problem:
        return None, problem.message


# --- asking once more ----------------------------------------------------------------------------


class _Generous:
    """A snapshot that looks for more examples than are asked for, and remembers them; who asks is
    given as many as it asked for, so that nothing else changes."""

    def __init__(self, snapshot: Snapshot, most: int) -> None:
        self._snapshot = snapshot
        self._most = most
        self._seen: list[tuple[Sample, ...]] = []
        self._runs: dict[object, Run] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._snapshot, name)

    def examples(
        self,
        signal: Signal,
        subject: str,
        window: Interval,
        most: int,
        *,
        beyond: float | None = None,
    ) -> Examples:
        wanted = max(most, self._most)
        answer = self._snapshot.examples(signal, subject, window, wanted, beyond=beyond)
        self._seen.append(answer.samples)
        return replace(answer, samples=answer.samples[:most])

    def recurrences(
        self, where: str, window: Interval, least: int, most: int, *, newest: datetime
    ) -> tuple[Recurrence, ...]:
        wanted = max(most, self._most) if most else 0
        answers = self._snapshot.recurrences(where, window, least, wanted, newest=newest)
        self._seen += [answer.samples for answer in answers]
        return tuple(replace(answer, samples=answer.samples[:most]) for answer in answers)

    def runs(self, window: Interval, least: int) -> tuple[Run, ...]:
        runs = self._snapshot.runs(window, least)
        self._runs |= {run.last.locator: run for run in runs}
        return runs

    def more_like(self, examples: Sequence[Sample]) -> tuple[Sample, ...]:
        """The examples of a finding, and those that were found with them."""
        if not examples:
            return ()
        first = examples[0].locator
        if first in self._runs:
            return self._calls(self._runs[first])
        lists = (some for some in self._seen if any(each.locator == first for each in some))
        return max(lists, key=len, default=tuple(examples))[: self._most]

    def _calls(self, run: Run) -> tuple[Sample, ...]:
        """The calls of a run, of which it has only the first and the last."""
        calls = Signal(
            "calls of a run",
            where=f"conv_id = {int(run.conversation)} AND act = '{subjects.TOOL_CALL}'",
            by="'run'",
        )
        window = Interval(from_us(run.first_us) - _MICROSECOND, from_us(run.last_us))
        tools = {subjects.parse(each).name for each in (run.subject, run.partner) if each}
        samples = self._snapshot.examples(calls, "run", window, self._most).samples
        return tuple(each for each in samples if each.values.get("name") in tools)


def _finding_now(
    settings: Settings, snapshot: Snapshot, analyzer: Analyzer, card: Card, most: int
) -> tuple[Finding, tuple[Sample, ...]] | None:
    """The card's finding in this window, and the events that count for it."""
    window = snapshot.coverage.window
    generous = _Generous(snapshot, most)
    context = Context(settings, cast("Snapshot", generous), window, _incidents(settings, card))
    try:
        findings = presentable(analyzer.analyze(context), context).findings
    except Exception:  # noqa: BLE001 a plug-in may raise anything; the card has samples of its own
        return None
    for finding in findings:
        if _is_of(finding, card):
            return finding, generous.more_like(finding.examples)
    return None


def _is_of(finding: Finding, card: Card) -> bool:
    if card.fingerprint:
        return finding.fingerprint == card.fingerprint
    return (finding.type, finding.subject) == (card.type, card.subject)


def _incidents(settings: Settings, card: Card) -> Mapping[str, Sequence[Interval]]:
    """The hours of the problem itself are no baseline for it, also if it was dismissed since."""
    length = timedelta(minutes=settings.window_min)
    times = [time for key in ("firstSeenAt", "lastSeenAt") if (time := card.time(key)) is not None]
    if not times:
        return {}
    since = min(times) - length
    incident = incident_of(card.changed(status=str(Status.GENERATED)), length, since)
    return {} if incident is None else {card.fingerprint: [incident]}


def _lines_of(
    card: Card, finding: Finding, samples: Iterable[Sample], mask: Mask
) -> Iterator[Line]:
    completed = sorted(samples, key=lambda sample: sample.at)
    worded = with_samples(finding, tuple(completed), mask).evidence.samples
    for sample, words in zip(completed, worded, strict=True):
        yield _line(card, sample, words.get("text"), mask)


def _line(card: Card, sample: Sample, text: str | None, mask: Mask) -> Line:
    elapsed = sample.values.get("elapsedMs")
    return Line(
        at=sample.at,
        subject=_subject(card, sample, mask),
        file=None if sample.file is None else mask(sample.file),
        line=sample.line,
        conv_id=sample.conv_id and masked_cut(sample.conv_id, _LONGEST_ID, mask),
        event_id=sample.id and masked_cut(sample.id, _LONGEST_ID, mask),
        text=text and masked_cut(text, LONGEST_TEXT, mask),
        elapsed_ms=elapsed if isinstance(elapsed, int | float) else None,
    )


def _subject(card: Card, sample: Sample, mask: Mask) -> str:
    """That of the event; of a card about such events it is the card's."""
    about = subjects.parse(card.subject)
    act, name = sample.values.get("act"), sample.values.get("name")
    if not isinstance(act, str):
        return card.subject
    if about.act == subjects.UPSTREAM or (about.act == act and name in {None, about.name}):
        return card.subject
    return mask(str(subjects.Subject(act, name if isinstance(name, str) else None)))


# --- what the card keeps itself ------------------------------------------------------------------


def _own(card: Card) -> Iterator[Line]:
    """The samples of a card, which were masked when it was written."""
    stored = card.mapping("evidence").get("samples")
    for sample in stored if isinstance(stored, list) else ():
        at = parse_time(sample.get("timestamp")) if isinstance(sample, Mapping) else None
        if at is not None:
            words = {key: value for key, value in sample.items() if isinstance(value, str)}
            elapsed = sample.get("elapsedMs")
            yield Line(
                at,
                card.subject,
                file=words.get("file"),
                line=line if isinstance(line := sample.get("line"), int) else None,
                conv_id=words.get("convId"),
                event_id=words.get("eventId") or words.get("id"),
                text=words.get("text"),
                elapsed_ms=elapsed if isinstance(elapsed, int | float) else None,
            )


def _located(
    timeline: Timeline,
    windows: Sequence[Interval],
    card: Card,
    own: Sequence[Line],
    mask: Mask,
) -> Iterator[Line]:
    """The card's samples with the places of the events of their time and id, where there are."""
    snapshot = timeline.at(max(windows, key=lambda window: window.end))
    any_event = Signal("any event", by="'any'")
    for line in own:
        if line.line is not None:
            yield line
            continue
        # A time in a card is cut to milliseconds.
        moment = Interval(line.at - _MICROSECOND, line.at + _MILLISECOND - _MICROSECOND)
        samples = snapshot.examples(any_event, "any", moment, _MOST_AT_ONCE).samples
        completed = (_line(card, sample, None, mask) for sample in timeline.complete(samples))
        same = (
            each
            for each in completed
            if (each.event_id, each.conv_id) == (line.event_id, line.conv_id)
        )
        place = next(same, None)
        yield line if place is None else replace(line, file=place.file, line=place.line)

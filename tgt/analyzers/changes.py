"""What changed near the onset of a problem, and which versions meet it.

Asked only of what becomes a card. The onset is where the share of now began (``tgt.stats.rise``);
a change is near it from two hours before up to the last time at which it may have been. What
telemetry tells by itself are versions, models and prompts that are new in the services that meet
the problem; what it does not, people mark. Where old and new run in the same time they are
compared in it, which no change of traffic can bring about; else it is before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from tgt.analyzers.base import Context
from tgt.analyzers.builder import Question
from tgt.analyzers.figures import milliseconds, number, percent
from tgt.analyzers.signals import TRAFFIC
from tgt.engine.affected import Asked
from tgt.engine.compared import Column, Part, Parts, Use
from tgt.engine.protocol import Of
from tgt.engine.services import is_agent
from tgt.events import Interval, from_us, to_us
from tgt.redact import masked_cut
from tgt.stats import distributions
from tgt.stats.rise import rise_of
from tgt.tasks.card import Finding, TaskType
from tgt.tasks.mark import Mark
from tgt.tasks.nearby import Figure, Nearby, What
from tgt.tasks.versions import Tried, VersionUse

NEAR = timedelta(hours=2)
STEP = timedelta(minutes=10)
MOST_CHANGES = 5
MOST_VERSIONS = 200
LEAST_COMPARED = 5
"""Of fewer of the old beside the new nothing can be said."""
_LONGEST_NAME = 80
_P95 = 0.95
_INSTANT = timedelta(microseconds=1)
_UNCAUSED = frozenset({TaskType.DOCS_GAP, TaskType.SILENCE})
"""What is no rise of anything in the telemetry there is."""
_KINDS = {Column.MODEL: What.MODEL, Column.PROMPT: What.PROMPT}

Named = Callable[[str], str]


def with_changes(context: Context, finding: Finding, marks: Sequence[Mark]) -> Finding:
    """The finding with what changed near its onset, and how the versions of the services that meet
    it fare in its window, if that is not known of them."""
    inquiry = _inquiry(context, finding)
    if inquiry is None:
        return finding
    window, end = inquiry.question.window, inquiry.known.end
    versions = finding.versions or inquiry.versions(window, Interval(end, end))
    return replace(finding, changes=inquiry.changes(marks), versions=versions)


def with_versions(
    context: Context, finding: Finding, completed: datetime, began: datetime | None
) -> Finding:
    """The finding of a problem that is back, with the versions of the services that meet it: how
    each fared from its beginning to its completion, and since then."""
    inquiry = _inquiry(context, finding)
    if inquiry is None:
        return finding
    window = inquiry.question.window
    start = (began or completed) - (window.end - window.start)
    before, since = Interval(start, completed), Interval(completed, inquiry.known.end)
    return replace(finding, versions=inquiry.versions(before, since))


def _inquiry(context: Context, finding: Finding) -> _Inquiry | None:
    if not isinstance(finding.question, Question) or finding.type in _UNCAUSED:
        return None
    return _Inquiry(context, finding.question)


@dataclass(frozen=True)
class _Span:
    """When a problem began: most likely, at the earliest and at the latest."""

    at: datetime
    earliest: datetime
    latest: datetime

    def has(self, moment: datetime) -> bool:
        return self.earliest - NEAR <= moment <= self.latest


@dataclass(frozen=True)
class _Inquiry:
    """What is asked about one finding. An engine is asked each thing once."""

    context: Context
    question: Question

    @cached_property
    def asked(self) -> Asked:
        question = self.question
        return Asked(question.signal, question.subject, question.beyond, question.error)

    @cached_property
    def known(self) -> Interval:
        """All that is known: the baseline and the window."""
        start = min(self.context.snapshot.coverage.baseline.start, self.question.window.start)
        return Interval(start, self.context.window.end)

    @cached_property
    def among(self) -> str:
        """What a mere error is among: whatever there is, since it never succeeds."""
        if self.asked.signal.of is Of.CONVERSATIONS or self.asked.signal.value:
            return ""
        window = self.context.snapshot.parts(self.asked, self.known).values()
        return TRAFFIC.where if all(part.n == part.k for part in window) else ""

    def parts(self, period: Interval, column: Column | None = None) -> Parts:
        """As of an engine, by the group of services."""
        met = None if self.question.met is None else self.question.met.keys()
        by_group: dict[tuple[str, str | None], Part] = {}
        parts = self.context.snapshot.parts(self.asked, period, column, among=self.among, met=met)
        for (service, value), part in parts.items():
            key = (group_of(service), value)
            by_group[key] = _together([by_group.get(key, Part()), part])
        return by_group

    # --- when it began ---------------------------------------------------------------------------

    @cached_property
    def onset(self) -> _Span | None:
        if self.question.met is not None:
            first = from_us(min(self.question.met.values(), default=to_us(self.known.end)))
            return _Span(first, first, first)
        start = self.known.start
        course = self.context.snapshot.course(self.asked, self.known, STEP, self.among)
        now = (self.question.window.start - start) // STEP
        rise = rise_of({step: _counts(part) for step, part in course.items()}, now)
        if rise is None:
            return None
        return _Span(
            start + rise.step * STEP,
            start + (rise.after + 1) * STEP,
            start + (rise.latest + 1) * STEP,
        )

    # --- what changed ----------------------------------------------------------------------------

    def changes(self, marks: Sequence[Mark]) -> tuple[Nearby, ...]:
        """The changes near the onset, the nearest first."""
        onset = self.onset
        if onset is None:
            return ()
        near = [each for each in marks if onset.has(each.at) and each.at <= self.known.end]
        changes = [self._marked(mark) for mark in near if self._is_about(mark)]
        changes += [self._change_of(use) for use in self.new(onset)]
        changes.sort(key=lambda change: (abs(change.at - onset.at), change.at, change.name))
        return tuple(changes[:MOST_CHANGES])

    @cached_property
    def carriers(self) -> frozenset[str]:
        """The services that what counts comes from."""
        parts = self.parts(self.question.window)
        return frozenset(service for (service, _), part in parts.items() if part.k)

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """The values of the carriers, each once, oldest first."""
        uses: dict[tuple[str, Column, str], Use] = {}
        for use in self.context.snapshot.uses(self.known):
            key = (group_of(use.service), use.column, use.value)
            if key[0] in self.carriers:
                before = uses.get(key, use)
                uses[key] = Use(
                    *key, min(use.first_us, before.first_us), max(use.last_us, before.last_us)
                )
        return tuple(sorted(uses.values(), key=lambda use: use.first_us))

    def new(self, onset: _Span) -> list[Use]:
        """What is new near the onset where there was another before: the nearest."""
        seen: set[tuple[str, Column]] = set()
        new = []
        for use in self.uses:
            if (use.service, use.column) in seen and onset.has(from_us(use.first_us)):
                new.append(use)
            seen.add((use.service, use.column))
        new.sort(key=lambda use: abs(from_us(use.first_us) - onset.at))
        return new[:MOST_CHANGES]

    def _is_about(self, mark: Mark) -> bool:
        return not mark.service or group_of(mark.service) in self.carriers

    def _marked(self, mark: Mark) -> Nearby:
        of = {group_of(mark.service)} if mark.service else None
        nearby = Nearby(What.MARK, self._name(mark.name), mark.at, self._name(mark.service))
        before = self.parts(Interval(self.known.start, mark.at))
        after = self.parts(Interval(mark.at, self.known.end))
        return self._compared(nearby, _of(before, of), _of(after, of), beside=False)

    def _change_of(self, use: Use) -> Nearby:
        at, column = from_us(use.first_us), use.column
        kind = _KINDS.get(column) or (What.VERSION if is_agent(use.service) else What.RELEASE)
        nearby = Nearby(kind, self._name(use.value), at, self._name(use.service))
        since = self.parts(Interval(at - _INSTANT, self.known.end), column)
        new, old = _split(since, use)
        if is_beside := old.n >= LEAST_COMPARED:
            return self._compared(nearby, old, new, beside=is_beside)
        _, before = _split(self.parts(Interval(self.known.start, at - _INSTANT), column), use)
        return self._compared(nearby, before, new, beside=False)

    def _compared(self, nearby: Nearby, before: Part, after: Part, *, beside: bool) -> Nearby:
        if self.question.met is not None:
            return nearby  # of those that met it nobody else is known
        return replace(
            nearby, before=self._figure(before), after=self._figure(after), beside=beside
        )

    def _figure(self, part: Part) -> Figure | None:
        if not part.n:
            return None
        if self.asked.signal.value == "elapsed_ms":
            p95 = distributions.quantile(part.values, _P95) or 0.0
            return Figure(number(p95), "ms", part.n, f"p95 {milliseconds(p95)} of {part.n:,}")
        share = part.k / part.n
        text = f"{part.k:,} of {part.n:,} ({percent(share)})"
        return Figure(number(share), "share", part.n, text)

    def _name(self, text: str) -> str:
        return masked_cut(text, _LONGEST_NAME, self.context.redacted)

    # --- which versions --------------------------------------------------------------------------

    def versions(self, before: Interval, since: Interval) -> tuple[VersionUse, ...]:
        """The versions of the carriers, the newest if there are many, and how they fared."""
        uses = [use for use in self.uses if use.column is Column.VERSION]
        if not uses:
            return ()
        earlier, later = (self.parts(period, Column.VERSION) for period in (before, since))
        spans: list[tuple[str, str | None, int, int]] = [
            (use.service, use.value, use.first_us, use.last_us) for use in uses
        ]
        # What has no version counts, too; since when it is there is no matter.
        bare = {service for service, value in (*earlier, *later) if value is None}
        first, last = to_us(self.known.start), to_us(self.known.end)
        spans += [(service, None, first, last) for service in sorted(bare & self.carriers)]
        return tuple(
            VersionUse(
                self._name(service),
                self._name(version or ""),
                from_us(first_us),
                from_us(last_us),
                _tried(earlier.get((service, version))),
                _tried(later.get((service, version))),
            )
            for service, version, first_us, last_us in spans[-MOST_VERSIONS:]
        )


def _tried(part: Part | None) -> Tried:
    if part is None:
        return Tried()
    return Tried(part.n, part.k, part.conversations, part.bad_conversations)


def group_of(service: str) -> str:
    """What has versions of its own: a coding agent is one, whatever the project it works in."""
    return service.partition(":")[0] if is_agent(service) else service


def _split(parts: Parts, use: Use) -> tuple[Part, Part]:
    """What is of a value of a service, and of its others."""
    new = parts.get((use.service, use.value), Part())
    old = [
        part
        for (service, value), part in parts.items()
        if service == use.service and value not in {None, use.value}
    ]
    return new, _together(old)


def _of(parts: Parts, services: Collection[str] | None) -> Part:
    return _together(
        part for (service, _), part in parts.items() if services is None or service in services
    )


def _together(parts: Iterable[Part]) -> Part:
    all_parts = list(parts)
    firsts = [part.first_us for part in all_parts if part.first_us is not None]
    lasts = [part.last_us for part in all_parts if part.last_us is not None]
    return Part(
        sum(part.n for part in all_parts),
        sum(part.k for part in all_parts),
        sum(part.conversations for part in all_parts),
        sum(part.bad_conversations for part in all_parts),
        min(firsts, default=None),
        max(lasts, default=None),
        distributions.merge(part.values for part in all_parts),
    )


def _counts(part: Part) -> tuple[int, int]:
    """Conversations, of which one can have many that count; events, where there are none."""
    if part.conversations:
        return part.bad_conversations, part.conversations
    return part.k, part.n

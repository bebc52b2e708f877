"""What lies where telemetry is read: the formats, how much of it is understood, and what for.

The first thing to look at when cards are missing. It reads what a run would read, in the same way,
but judges nothing. Of very much telemetry only the newest files are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice

from tgt.analyzers.base import Analyzer
from tgt.analyzers.registry import chosen
from tgt.config import Settings
from tgt.engine.protocol import Inventory
from tgt.engine.registry import Telemetry, is_engine, open_timeline
from tgt.errors import TelemetryError, TgtError
from tgt.events import EPOCH, Interval
from tgt.sources.base import Listing, Reason, Source
from tgt.sources.files import LogFile
from tgt.sources.registry import (
    UNRECOGNISED,
    nothing_there,
    open_sources,
    recognised_files,
    usual,
)
from tgt.sources.spec import AGENTS, AUTO, CONTEXTLOG, OTLP, Spec

MOST_BYTES = 512 * 1024 * 1024
"""How much of a source is read; a compressed file weighs what it has on disk."""
_DIALECT_ITEMS = 500
_LAST = timedelta(days=1)
_ALL_TIME = Interval(EPOCH, EPOCH + timedelta(hours=1))


@dataclass(frozen=True)
class Surveyed:
    """One source. ``not_read`` are files that are passed over, with the reason; ``abilities`` say
    per analyzer why it cannot work on this telemetry (an empty text if it can)."""

    kind: str
    place: str
    files: int = 0
    size: int = 0
    files_read: int = 0
    inventory: Inventory = field(default_factory=Inventory)
    dialects: Mapping[str, int] = field(default_factory=dict)
    abilities: Mapping[str, str] = field(default_factory=dict)
    not_read: Sequence[tuple[str, str]] = ()
    problems: Sequence[str] = ()

    def passed_over(self, reason: Reason) -> Counter[str]:
        """The objects that are no events for a reason, by their kind."""
        kinds = self.inventory.passed_over.items()
        return Counter({kind: n for (why, kind), n in kinds if why == reason})

    @property
    def understood(self) -> int:
        """Objects that are events, or known to be none."""
        passed_over = self.passed_over(Reason.SKIPPED) + self.passed_over(Reason.METRIC)
        return self.inventory.events + sum(passed_over.values())

    @property
    def records(self) -> int:
        """Everything that was read: events, and what is none."""
        others = (
            n for (why, _), n in self.inventory.passed_over.items() if why != Reason.MALFORMED
        )
        return self.inventory.events + self.inventory.malformed + sum(others)


def survey(
    settings: Settings, since: datetime | None = None, now: datetime | None = None
) -> tuple[Surveyed, ...]:
    """What lies at each place of TASKGEN_SOURCE, or what of it lies after ``since``; of what an
    engine of its own answers for, the last day before ``now`` if nothing is said.

    Raises SettingsError for a bad mapping.
    """
    analyzers = chosen(settings).analyzers
    surveyed: list[Surveyed] = []
    specs = settings.source or usual(settings.contextlog_dir)
    if not specs:
        problem = str(nothing_there(settings.contextlog_dir))
        return (Surveyed(CONTEXTLOG, str(settings.contextlog_dir), problems=(problem,)),)
    for spec in specs:
        if is_engine(spec):
            surveyed.append(_ask(settings, spec, analyzers, since, now or EPOCH))
            continue
        is_usual = spec.kind == CONTEXTLOG and not spec.place
        place = f"{spec}:{settings.contextlog_dir}" if is_usual else str(spec)
        sources = open_sources([spec], settings.contextlog_dir)
        for source in sources:
            # Which of its usual places an agent has chosen only the source knows.
            where = source.key if spec.kind in AGENTS and not spec.place else place
            surveyed.append(_look(settings, where, source, analyzers, since))
        with suppress(TelemetryError):  # which was told already
            surveyed += _unrecognised(spec, place)
    return tuple(_masked(one, settings.masked) for one in surveyed)


def _masked(one: Surveyed, mask: Callable[[str], str]) -> Surveyed:
    """Names of telemetry and of files may have secrets in them."""
    held = one.inventory
    return replace(
        one,
        inventory=replace(
            held,
            acts=_masked_names(held.acts, mask),
            services=_masked_names(held.services, mask),
            passed_over={(why, mask(kind)): n for (why, kind), n in held.passed_over.items()},
        ),
        not_read=tuple((mask(file), reason) for file, reason in one.not_read),
        problems=tuple(map(mask, one.problems)),
    )


def _masked_names(counts: Mapping[str, int], mask: Callable[[str], str]) -> Mapping[str, int]:
    masked: Counter[str] = Counter()
    for name, count in counts.items():
        masked[mask(name)] += count
    return dict(masked)


def _ask(
    settings: Settings,
    spec: Spec,
    analyzers: Sequence[Analyzer],
    since: datetime | None,
    now: datetime,
) -> Surveyed:
    """The same of what an engine of its own answers for."""
    window = Interval(since or now - _LAST, now)
    needs = [need for analyzer in analyzers for need in analyzer.needs]
    try:
        with open_timeline(
            settings.model_copy(update={"tasks_dir": settings.tasks_dir / "none"}),
            Telemetry(engine=spec),
            (),
            window,
            baseline=timedelta(0),
        ) as timeline:
            inventory = timeline.inventory([need.where for need in needs])
            problems = timeline.warnings
    except TgtError as failure:
        return Surveyed(spec.kind, str(spec), problems=(str(failure),))
    return Surveyed(
        spec.kind,
        str(spec),
        inventory=inventory,
        abilities={analyzer.name: _missing(analyzer, inventory) for analyzer in analyzers},
        problems=problems,
    )


def _unrecognised(spec: Spec, place: str) -> Iterator[Surveyed]:
    if spec.kind == AUTO and spec.place is not None:
        strange = recognised_files(spec.place).get(UNRECOGNISED, ())
        if strange:
            size = sum(file.size for file in strange)
            yield Surveyed(UNRECOGNISED, place, files=len(strange), size=size)


def _look(
    settings: Settings,
    place: str,
    source: Source,
    analyzers: Sequence[Analyzer],
    since: datetime | None,
) -> Surveyed:
    result = Surveyed(source.kind, place)
    try:
        listing = source.listing()
    except TgtError as failure:
        return replace(result, problems=(str(failure),))
    newest = _newest(listing.files)
    telemetry = Telemetry(((source, Listing(tuple(newest))),))
    needs = [need for analyzer in analyzers for need in analyzer.needs]
    with open_timeline(
        settings.model_copy(update={"tasks_dir": settings.tasks_dir / "none"}),
        telemetry,
        (),
        _ALL_TIME if since is None else Interval(since, since + timedelta(hours=1)),
        baseline=timedelta(0),
    ) as timeline:
        inventory = timeline.inventory([need.where for need in needs])
        problems = timeline.warnings
    return replace(
        result,
        files=len(listing.files),
        size=sum(file.size for file in listing.files),
        files_read=len(newest),
        inventory=inventory,
        dialects=Counter(_dialects(newest)) if source.kind == OTLP else {},
        abilities={analyzer.name: _missing(analyzer, inventory) for analyzer in analyzers},
        not_read=listing.passed_over,
        problems=problems,
    )


def _missing(analyzer: Analyzer, inventory: Inventory) -> str:
    """What an analyzer lacks, the first of it."""
    return next((n.missing for n in analyzer.needs if not inventory.holds[n.where]), "")


def _newest(files: Sequence[LogFile]) -> list[LogFile]:
    chosen_files: list[LogFile] = []
    room = MOST_BYTES
    for file in sorted(files, key=lambda f: f.modified_ns, reverse=True):
        if chosen_files and file.size > room:
            break
        chosen_files.append(file)
        room -= file.size
    return chosen_files


def _dialects(files: Sequence[LogFile]) -> Iterator[str]:
    from tgt.sources.envelopes import Documents  # only this format has dialects
    from tgt.sources.otlp.dialects import dialects

    for file in files:
        with closing(iter(Documents(file, 0))) as documents:  # type: ignore[type-var] # a generator
            for document in islice(documents, _DIALECT_ITEMS):
                if document.value is not None:
                    yield from islice(dialects(document.value), _DIALECT_ITEMS)


def last_event(surveyed: Sequence[Surveyed]) -> datetime | None:
    """The time of the newest event of all sources."""
    times = [one.inventory.last for one in surveyed if one.inventory.last]
    return max(times, default=None)

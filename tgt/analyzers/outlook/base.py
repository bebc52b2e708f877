"""How far an analyzer sees: for a subject the smallest change that would be seen within a day.

What is expected of a day is what a typical day had. The analyzers' own confidence is turned round:
not how sure what was counted is, but how much must count to be sure enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from tgt.analyzers.base import Analyzer, Context
from tgt.analyzers.baseline import MIN_HOURS_OBSERVED, Baseline
from tgt.analyzers.figures import Unit
from tgt.engine.protocol import Counts, Reading, Signal
from tgt.events import HOUR_US, Interval, to_us

DAY_HOURS = 24


@dataclass(frozen=True)
class Outlook:
    """What can be judged of one subject.

    ``missing`` says why it cannot be, and ``judgeable_at`` when it will be at the rate that was
    seen; None if never. ``smallest_change`` is a multiple of the ``usual`` value (a RATIO) or a
    SHARE, and rests on ``expected`` of what ``of`` says (conversations, calls) at a time;
    ``usual`` itself is a SHARE or MS. Where counts are facts there is nothing to compare, so there
    is no such change.
    """

    analyzer: str
    subject: str
    judgeable: bool = False
    missing: str = ""
    judgeable_at: datetime | None = None
    smallest_change: float | None = None
    unit: Unit | None = None
    usual: float | None = None
    usual_unit: Unit | None = None
    expected: float | None = None
    of: str = ""


@dataclass(frozen=True)
class Look:
    """One analyzer and all that its outlook rests on; ``most`` subjects at most are looked at."""

    analyzer: Analyzer
    context: Context
    most: int

    @property
    def end(self) -> datetime:
        return self.context.window.end

    @property
    def day(self) -> Interval:
        """The last day, or the window of a run where that is longer."""
        return self.context.longer_windows(DAY_HOURS)[-1]

    @property
    def days(self) -> int:
        """How far back a baseline reaches."""
        return self.context.settings.baseline_days

    @property
    def minimum(self) -> float:
        return self.context.settings.min_confidence

    def observed(self, window: Interval) -> frozenset[int]:
        """The clock hours of the baseline before a window that had telemetry."""
        end = to_us(window.start)
        first = (end - self.days * DAY_HOURS * HOUR_US) // HOUR_US
        hours = self.context.snapshot.coverage.hours_observed
        return frozenset(hour for hour in hours if first <= hour < end // HOUR_US)

    @property
    def observed_now(self) -> frozenset[int]:
        """The clock hours with telemetry of what is the baseline from now on."""
        return self.observed(Interval(self.end, self.end))

    @property
    def hours_of_day(self) -> frozenset[int]:
        """Those of the last day among them, at least one."""
        now = frozenset({to_us(self.end) // HOUR_US})
        return self.observed_now - self.observed(self.day) or now

    def baseline(self, reading: Reading) -> Baseline:
        """The history of a reading, as far as a baseline reaches."""
        hours = self.observed(reading.window)
        return Baseline({h: reading.history[h] for h in hours if h in reading.history}, hours)

    def readings(self, signal: Signal, window: Interval) -> tuple[Reading, ...]:
        """The subjects of a window that are used most, with their histories."""
        every = self.context.snapshot.counts(signal, window)
        least = sorted((reading.now.n for reading in every), reverse=True)[: self.most]
        if not least:
            return ()

        def is_among(now: Counts) -> bool:
            return now.n >= least[-1]

        readings = self.context.snapshot.counts(signal, window, history=is_among)
        return tuple(sorted(filter(lambda r: is_among(r.now), readings), key=_used))[: self.most]

    def without(self, need: int) -> frozenset[str]:
        """The subjects of the last day that lack what the analyzer needs."""
        needed = Signal("needed", where="actor <> 'user'", counted=self.analyzer.needs[need].where)
        return frozenset(
            reading.subject
            for reading in self.context.snapshot.counts(needed, self.day)
            if reading.now.k == 0
        )

    def lacking(self, subject: str, missing: str, at: datetime | None = None) -> Outlook:
        return Outlook(self.analyzer.name, subject, missing=missing, judgeable_at=at)

    def seeing(
        self,
        subject: str,
        change: float | None,
        unit: Unit,
        usual: float | None,
        expected: float,
        of: str,
        usual_unit: Unit = Unit.SHARE,
    ) -> Outlook:
        """The outlook on a subject with enough history; ``change`` is None where no change would
        be seen."""
        if change is None:
            missing = f"{expected:.0f} {of} are too few to be sure of any change"
            return self.lacking(subject, missing)
        return Outlook(
            self.analyzer.name,
            subject,
            judgeable=True,
            smallest_change=change,
            unit=unit,
            usual=usual,
            usual_unit=None if usual is None else usual_unit,
            expected=expected,
            of=of,
        )

    # --- when there will be enough ---------------------------------------------------------------

    def when(self, lacks: float, a_day: float, needed: float) -> datetime | None:
        """When what is still missing will be there, at so much a day; None if a whole baseline
        never has as much as is needed."""
        if lacks <= 0:
            return self.end
        if a_day <= 0 or a_day * self.days < needed:
            return None
        hours = -(-lacks * DAY_HOURS // a_day)
        return self.end.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours + 1)

    def when_observed(self) -> datetime | None:
        """When there will be a day of baseline."""
        observed = self.observed_now
        rate = len(observed) / self.span(observed)
        return self.when(MIN_HOURS_OBSERVED - len(observed), rate, MIN_HOURS_OBSERVED)

    def span(self, hours: frozenset[int]) -> float:
        """How many days these hours reach back, at least one."""
        if not hours:
            return 1.0
        return max(1.0, (to_us(self.end) / HOUR_US - min(hours)) / DAY_HOURS)


def _used(reading: Reading) -> tuple[int, str]:
    return -reading.now.n, reading.subject


def later(*moments: datetime | None) -> datetime | None:
    """The last of some moments; None, which is never, is later than all."""
    times = [moment for moment in moments if moment is not None]
    return max(times) if len(times) == len(moments) else None


def typical_peak(by_hour: Mapping[int, float], hours: int) -> float:
    """The most of so many hours in a row that a typical day has: the median over the days that
    have any, counted back from the last hour."""
    if not by_hour:
        return 0.0
    last = max(by_hour)
    days: dict[int, float] = {}
    for hour in by_hour:
        if by_hour[hour] > 0:
            total = sum(by_hour.get(each, 0.0) for each in range(hour - hours + 1, hour + 1))
            day = (last - hour) // DAY_HOURS
            days[day] = max(days.get(day, 0.0), total)
    return float(median(days.values())) if days else 0.0


def smallest(low: int, high: int, is_seen: Callable[[int], bool]) -> int | None:
    """The smallest number of [low, high] that is seen, where all larger ones are, too."""
    if low > high or not is_seen(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_seen(middle) else (middle + 1, high)
    return low

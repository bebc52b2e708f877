"""Examples of what a signal counts: which events they are is asked of the store, what they say is
read again from the files.

The store holds no texts of prompts, answers or tools, so a sample is completed only when a card is
written: the object at its place is translated once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.conversations import IDLE
from tgt.engine.duckdb.database import Database
from tgt.engine.protocol import MOST_ERRORS, Examples, Of, Signal
from tgt.events import Interval, Sample, from_us, to_us

_SHOWN = ("error_type", "elapsed_ms", "finish_reason", "act", "name")
_KEYS = ("errorType", "elapsedMs", "finishReason", "act", "name")
LOCATED = (
    *("us", "key", "conv", "file", "place", "wording", "asked_file", "asked_place"),
    *_SHOWN,
)
"""The columns of an event that make a sample."""
_NEWEST = "us DESC, key, row"
# Events of one kind say the same, or were asked the same; of errors the commonest come first.
_KIND = "coalesce(error, error_type, CAST(args_hash AS VARCHAR))"
_NONE = "NULL"
_BEST = f"nth_of_kind, common DESC NULLS LAST, nth, {_NEWEST}"
_OF_NEWEST = """ AND conv_id IN (SELECT conv_id FROM (
    SELECT conv_id, rank() OVER (ORDER BY max(us) DESC) AS place FROM examined GROUP BY conv_id)
WHERE place <= {most})"""
"""Of many conversations it takes long to order all events."""
_SUMS = 6
_IS_ERROR = "coalesce(error, error_type) IS NOT NULL"


@dataclass(frozen=True)
class Locator:
    """Where a record stands: the number of its file, the offset of its object (of a source that the
    engine reads, of the piece with its line), and what tells it from others there."""

    file: int
    place: int
    us: int
    key: int | None
    conv: int | None
    wording: int
    asked_file: int | None = None
    asked_place: int | None = None


def locator_of(sample: Sample) -> Locator:
    """Where a sample of the event store stands. Raises TypeError for one of another engine."""
    if not isinstance(sample.locator, Locator):
        raise TypeError("a sample of another engine")
    return sample.locator


class Finder:
    """Examples in one window of a database with the table ``judged``; ``recent`` is a FROM item
    with the events from a time on."""

    def __init__(self, database: Database, window: Interval, recent: str, recent_us: int) -> None:
        self._db = database
        self._recent = recent
        self._start, self._end = to_us(window.start), to_us(window.end)
        self._over = to_us(window.end - IDLE)
        self._recent_us = recent_us

    def examples(
        self, signal: Signal, subject: str, called: str, most: int, beyond: float | None
    ) -> Examples:
        """As ``Snapshot.examples``; ``called`` is SQL for the name of an event's subject."""
        if signal.of is Of.CONVERSATIONS:
            bad = (
                f"SELECT conv FROM judged WHERE ({signal.where}) AND ({signal.counted})"
                f" AND ({signal.by}) = $subject AND last_us > {self._start}"
                f" AND last_us <= {self._over}"
            )
            # What is to be seen there is how each of them ended.
            inside = f"conv_id IN ({bad})"
            return self._of(self._events(), inside, "true", most, kind=_NONE, subject=subject)
        population = f"({signal.where}) AND {called} = $subject"
        if signal.value:
            limit = "" if beyond is None else f" AND ({signal.value}) > $line"
            counts = f"true{limit}"
        else:
            counts = f"({signal.counted})"
        parameters: dict[str, Any] = {"subject": subject}
        if signal.value and beyond is not None:
            parameters["line"] = beyond
        inside = f"us > {self._start} AND us <= {self._end}"
        return self._of(self._events(), f"{inside} AND {population}", counts, most, **parameters)

    def _events(self) -> str:
        """A FROM item with the events of the window at least."""
        if self._start >= self._recent_us:
            return self._recent
        return f"({canonical(f'us > {self._start} AND us <= {self._end}')})"

    def _of(
        self,
        events: str,
        population: str,
        counts: str,
        most: int,
        *,
        kind: str = _KIND,
        **parameters: Any,
    ) -> Examples:
        """``kind`` is SQL for what examples should differ in."""
        among = "counts"
        if kind == _NONE:  # then the last events of the newest conversations are the best
            among += _OF_NEWEST.format(most=int(most))
        rows = self._db.run(
            "WITH examined AS MATERIALIZED (SELECT us, row, key, conv, conv_id, file, place,"
            f" wording, asked_file, asked_place, {', '.join(_SHOWN)}, service, error,"
            f" ({kind}) AS kind, ({counts}) AS counts FROM {events} WHERE {population}),"
            " sums AS (SELECT quantile_disc(us, 0.5) FILTER (counts) AS median,"
            " count(DISTINCT conv_id) AS conversations FROM examined),"
            " carrying AS (SELECT service, CASE WHEN count(conv_id) > 0"
            " THEN count(DISTINCT conv_id) ELSE count(*) END AS many FROM examined"
            " WHERE counts AND service IS NOT NULL GROUP BY service),"
            " carriers AS (SELECT list(service ORDER BY many DESC, service) AS services,"
            " list(many ORDER BY many DESC, service) AS manies FROM carrying),"
            " saying AS (SELECT error, count(*) AS times FROM examined"
            " WHERE counts AND error IS NOT NULL GROUP BY error"
            f" ORDER BY times DESC, error LIMIT {MOST_ERRORS}),"
            " said AS (SELECT list(error ORDER BY times DESC, error) AS errors,"
            " list(times ORDER BY times DESC, error) AS times FROM saying),"
            f" placed AS (SELECT *, row_number() OVER (PARTITION BY conv_id ORDER BY {_NEWEST})"
            f" AS nth, CASE WHEN {_IS_ERROR} THEN count(*) OVER (PARTITION BY kind) END AS common"
            f" FROM examined WHERE {among}),"
            " various AS (SELECT *, row_number() OVER"
            f" (PARTITION BY kind ORDER BY nth, {_NEWEST}) AS nth_of_kind FROM placed),"
            f" chosen AS (SELECT *, row_number() OVER (ORDER BY {_BEST}) AS place_of"
            f" FROM various ORDER BY {_BEST} LIMIT {int(most)})"
            " SELECT median, conversations, services, manies, errors, times,"
            f" {', '.join(LOCATED)} FROM sums CROSS JOIN carriers CROSS JOIN said"
            " LEFT JOIN chosen ON true ORDER BY place_of",
            **parameters,
        )
        (median, conversations, services, manies, errors, times), at = rows[0][:_SUMS], _SUMS
        samples = tuple(sample_of(row[at:]) for row in rows if row[at] is not None)
        carriers = dict(zip(services or (), manies or (), strict=True))
        times_of_errors = dict(zip(errors or (), times or (), strict=True))
        return Examples(samples, median, conversations, carriers, times_of_errors)


def sample_of(row: Sequence[Any]) -> Sample:
    """A sample without its texts, of the values of LOCATED."""
    us, key, conv, file, place, words, asked_file, asked_place, *shown = row
    return Sample(
        at=from_us(us),
        values={k: v for k, v in zip(_KEYS, shown, strict=True) if v is not None},
        locator=Locator(file, place, us, key, conv, words, asked_file, asked_place),
    )

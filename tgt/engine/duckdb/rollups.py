"""Tallies: what the counts by conversation come to in an hour, for every subject.

The statistics ask sums over conversations, and of many hours. So these are worked out when an hour
is over and kept beside its counts: a history is then a few rows an hour, however many conversations
it had. A *pair* is what is counted of what; ``PAIRS`` are those that can be asked by the hour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tgt.engine.protocol import Measure, Signal, Tally
from tgt.stats.confidence import Clusters

ALL_SUBJECTS = 0
"""The number of all traffic, whatever the subject; those of subjects begin with 1."""

PAIRS: Sequence[tuple[str, str]] = (
    ("events", "errors"),
    ("ends", "cuts"),
    ("ends + untold", "cuts"),  # where the telemetry does not tell ends
    ("untold", "cuts"),
)
_PAIR_OF = {
    (Measure.EVENTS, Measure.ERRORS): 0,
    (Measure.ENDS, Measure.CUTS): 1,
    (Measure.UNTOLD, Measure.CUTS): 3,
}
_UNTOLD_ENDS = 2

COLUMNS = (
    "hour INTEGER, pair TINYINT, subject INTEGER, n BIGINT, k BIGINT, units BIGINT,"
    " bad_units BIGINT, loose_n BIGINT, clustered_n DOUBLE, clustered_k DOUBLE, nn DOUBLE,"
    " nk DOUBLE, kk DOUBLE, told BIGINT"
)
SUMS = ", ".join(part.split()[0] for part in COLUMNS.split(", ")[3:-1])
ROW = f"subject, pair, hour, {SUMS}"

# Of rows (conv, n, k) of one subject; rows without a conversation are loose events.
MADE = """
    sum(n)::BIGINT AS n, sum(k)::BIGINT AS k,
    count(conv) AS units, count(conv) FILTER (k > 0) AS bad_units,
    coalesce(sum(n) FILTER (conv IS NULL), 0)::BIGINT AS loose_n,
    coalesce(sum(n) FILTER (conv IS NOT NULL), 0)::DOUBLE AS clustered_n,
    coalesce(sum(k) FILTER (conv IS NOT NULL), 0)::DOUBLE AS clustered_k,
    coalesce(sum(n::DOUBLE * n) FILTER (conv IS NOT NULL), 0)::DOUBLE AS nn,
    coalesce(sum(n::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE AS nk,
    coalesce(sum(k::DOUBLE * k) FILTER (conv IS NOT NULL), 0)::DOUBLE AS kk
"""


def pair(signal: Signal, *, tells_finish: bool) -> int:
    """The place in PAIRS of what a signal asks. Raises KeyError for what is not counted."""
    found = _PAIR_OF[signal.population, signal.counted]
    return _UNTOLD_ENDS if signal.population is Measure.ENDS and not tells_finish else found


def statement(units: str, *, in_pieces: bool = True) -> str:
    """SQL for the tallies of a FROM item with the columns of ``units``.

    ``in_pieces``: there may be more than one row of a subject, hour and conversation.
    """
    unit = f"SELECT hour, subject, conv, events, errors, ends, cuts, untold, told FROM {units}"
    if in_pieces:
        unit = (
            "SELECT hour, subject, conv, sum(events) AS events, sum(errors) AS errors,"
            " sum(ends) AS ends, sum(cuts) AS cuts, sum(untold) AS untold, sum(told) AS told"
            f" FROM {units} GROUP BY ALL"
        )
    # One statement for all pairs: to plan one for each would take longer than most of them run.
    n, k = (
        " ".join(f"WHEN {place} THEN {of[side]}" for place, of in enumerate(PAIRS))
        for side in (0, 1)
    )
    traffic = (
        "SELECT hour, conv, sum(events) AS n, sum(errors) AS k, sum(told) AS told"
        " FROM unit GROUP BY ALL"
    )
    kept = "MATERIALIZED" if in_pieces else "NOT MATERIALIZED"
    return (
        f"WITH unit AS {kept} ({unit}) SELECT hour, pair, subject, {MADE},"
        " sum(told)::BIGINT AS told"
        f" FROM (SELECT hour, pair, subject, conv, CASE pair {n} END AS n,"
        f" CASE pair {k} END AS k, told FROM unit, range({len(PAIRS)}) AS pairs(pair)"
        f" UNION ALL SELECT hour, 0, {ALL_SUBJECTS}, conv, n, k, told FROM ({traffic}))"
        " WHERE n > 0 OR k > 0 GROUP BY hour, pair, subject"
    )


def latest_bad(units: str) -> str:
    """SQL that tells for each count of PAIRS and subject how many conversations were bad at last
    in which hour: rows (counted, subject, hour, conversations)."""
    parts = [
        f"SELECT '{counted}' AS counted, {subject} AS subject, max(hour) AS latest"
        f" FROM {units} WHERE {counted} > 0 AND conv IS NOT NULL GROUP BY {by}"
        for counted, subject, by in (
            ("errors", "subject", "subject, conv"),
            ("cuts", "subject", "subject, conv"),
            ("errors", ALL_SUBJECTS, "conv"),
        )
    ]
    return (
        f"SELECT counted, subject, latest, count(*) FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
    )


def tally(row: Sequence[Any], bad_conversations: int = 0) -> Tally:
    """A tally of the columns of SUMS; of a history the distinct conversations are not asked."""
    n, k, units, bad_units, loose = row[:5]
    return Tally(n, k, units, bad_units, bad_conversations, loose, Clusters(units, *row[5:10]))


class Hours:
    """The hours up to the end of a window, and from them the tallies of every length of window.

    Sums add up over hours. A conversation that is bad in several hours is counted once: it is bad
    in every window that reaches back to the latest of them.
    """

    def __init__(
        self,
        sums: Iterable[tuple[str, int, Sequence[Any]]],
        bad: Iterable[tuple[str, int, int]],
    ) -> None:
        """``sums`` are (subject, hour, columns of SUMS), ``bad`` (subject, latest hour, number)."""
        self._sums: dict[str, list[tuple[int, Sequence[Any]]]] = {}
        self._bad: dict[str, list[tuple[int, int]]] = {}
        self._told: dict[int, dict[str, Tally]] = {}
        for subject, hour, row in sums:
            self._sums.setdefault(subject, []).append((hour, row))
        for subject, hour, number in bad:
            self._bad.setdefault(subject, []).append((hour, number))

    def since(self, first: int) -> dict[str, Tally]:
        """The tallies of the hours from ``first`` on, by subject."""
        if first not in self._told:
            self._told[first] = dict(self._since(first))
        return self._told[first]

    def _since(self, first: int) -> Iterator[tuple[str, Tally]]:
        for subject, hours in self._sums.items():
            inside = [sums for hour, sums in hours if hour >= first]
            if inside:
                bad = sum(n for hour, n in self._bad.get(subject, ()) if hour >= first)
                total = inside[0] if len(inside) == 1 else [*map(sum, zip(*inside, strict=True))]
                yield subject, tally(total, bad)


def by_hour(rows: Iterable[tuple[str, Sequence[Any]]]) -> dict[str, dict[int, dict[int, Tally]]]:
    """The tallies of named rows (columns of ROW) by subject, pair and hour."""
    found: dict[str, dict[int, dict[int, Tally]]] = {}
    for subject, (_, place, hour, *sums) in rows:
        found.setdefault(subject, {}).setdefault(place, {})[hour] = tally(sums)
    return found

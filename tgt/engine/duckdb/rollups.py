"""Rollups: what a signal counts in an hour that is over, for every subject.

The statistics ask sums over conversations, and of many hours. So these are worked out when an hour
is sealed and kept: a history is then a few rows an hour, however many conversations it had. All
are sums, so they add up over hours and services. An hour to which late events come is rolled up
anew, and so are all hours for a signal that is new.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tgt.engine.duckdb.canonical import canonical
from tgt.engine.duckdb.store import Store
from tgt.engine.protocol import Counts, Of, Signal
from tgt.events import HOUR_US
from tgt.stats.confidence import Clusters
from tgt.stats.distributions import BASE

SUMS = (
    *("n", "k", "units", "bad_units", "loose_n", "clustered_n", "clustered_k", "nn", "nk", "kk"),
)
_EVENTS_AT_ONCE = 500_000
_GAP_HOURS = 24

# Of rows (conv_id, n, k) of one subject; rows without a conversation are loose events.
SUMMED = """
    sum(n)::BIGINT AS n, sum(k)::BIGINT AS k,
    count(conv_id) AS units, count(conv_id) FILTER (k > 0) AS bad_units,
    coalesce(sum(n) FILTER (conv_id IS NULL), 0)::BIGINT AS loose_n,
    coalesce(sum(n) FILTER (conv_id IS NOT NULL), 0)::DOUBLE AS clustered_n,
    coalesce(sum(k) FILTER (conv_id IS NOT NULL), 0)::DOUBLE AS clustered_k,
    coalesce(sum(n::DOUBLE * n) FILTER (conv_id IS NOT NULL), 0)::DOUBLE AS nn,
    coalesce(sum(n::DOUBLE * k) FILTER (conv_id IS NOT NULL), 0)::DOUBLE AS nk,
    coalesce(sum(k::DOUBLE * k) FILTER (conv_id IS NOT NULL), 0)::DOUBLE AS kk
"""
LEAST, MOST = "1e-6", "1e15"
"""Values outside are of no distribution."""
CLOCK_HOUR = f"(us // {HOUR_US})::INTEGER"


def service(signal: Signal) -> str:
    """SQL for the service that an event is counted apart for."""
    return "service" if signal.is_by_service else "NULL::VARCHAR"


def bucket(value: str) -> str:
    """SQL for the bucket of a value."""
    return f"floor(ln({value}) / ln({BASE}))::SMALLINT"


def counted(signals: Sequence[Signal], events: str, hour: str = CLOCK_HOUR) -> str:
    """SQL for the counts of share signals, by signal (its place in the sequence), hour, subject and
    service: the columns of SUMS. ``events`` is a FROM item with the canonical columns; it is looked
    at once, and each condition, too."""
    groups: dict[str, list[tuple[int, Signal]]] = {}
    for place, signal in enumerate(signals):
        groups.setdefault(signal.by, []).append((place, signal))
    conditions = dict.fromkeys(c for s in signals for c in (s.where, s.counted))
    is_true = {condition: f"is{number}" for number, condition in enumerate(conditions)}
    columns = [f"({condition}) AS {name}" for condition, name in is_true.items()]
    steps, parts = [], []
    for number, (by, group) in enumerate(groups.items()):
        columns.append(f"{by} AS by{number}")
        both = ", ".join(
            f"count(*) FILTER ({is_true[s.where]}) AS n{place},"
            f" count(*) FILTER ({is_true[s.where]} AND {is_true[s.counted]}) AS k{place}"
            for place, s in group
        )
        any_of = " OR ".join(is_true[s.where] for _, s in group)
        steps.append(
            f"units{number} AS MATERIALIZED (SELECT hour, by{number} AS subject,"
            f" {service(group[0][1])} AS service, conv_id, {both} FROM looked_at"
            f" WHERE ({any_of}) AND by{number} IS NOT NULL GROUP BY ALL)"
        )
        parts += [
            f"SELECT {place} AS signal, hour, subject, service, conv_id, n{place} AS n,"
            f" k{place} AS k FROM units{number} WHERE n{place} > 0"
            for place, _ in group
        ]
    looked_at = f"SELECT {hour} AS hour, service, conv_id, {', '.join(columns)} FROM {events}"
    is_held = "MATERIALIZED" if len(groups) > 1 else "NOT MATERIALIZED"
    return (
        f"WITH looked_at AS {is_held} ({looked_at}), {', '.join(steps)}"
        f" SELECT signal, hour, subject, service, {SUMMED} FROM ({' UNION ALL '.join(parts)})"
        " GROUP BY signal, hour, subject, service"
    )


def distributed(signals: Sequence[Signal], events: str, hour: str = CLOCK_HOUR) -> str:
    """SQL for the buckets of distribution signals: signal (place), hour, subject, service, bucket,
    n."""
    names = {by: f"by{number}" for number, by in enumerate(dict.fromkeys(s.by for s in signals))}
    columns = [f"{by} AS {name}" for by, name in names.items()]
    columns += [
        f"CASE WHEN {s.where} THEN ({s.value})::DOUBLE END AS value{place}"
        for place, s in enumerate(signals)
    ]
    parts = [
        f"SELECT {place} AS signal, hour, {names[s.by]} AS subject, {service(s)} AS service,"
        f" {bucket(f'value{place}')} AS bucket, count(*) AS n"
        f" FROM looked_at WHERE value{place} BETWEEN {LEAST} AND {MOST}"
        f" AND {names[s.by]} IS NOT NULL GROUP BY ALL"
        for place, s in enumerate(signals)
    ]
    looked_at = f"SELECT {hour} AS hour, service, {', '.join(columns)} FROM {events}"
    return f"WITH looked_at AS MATERIALIZED ({looked_at}) {' UNION ALL '.join(parts)}"


def of_kind(signals: Iterable[Signal], *, is_distribution: bool) -> list[Signal]:
    """The signals of events that are distributions, or those that are not."""
    return [s for s in signals if s.of is Of.EVENTS and bool(s.value) == is_distribution]


def roll_up(store: Store, signals: Sequence[Signal], touched: set[int], sealed: int) -> None:
    """Bring the rollups up to date: all hours before ``sealed`` (exclusive), for these signals.

    ``touched`` are the hours whose events have changed.
    """
    rolled_up = set(json.loads(store.meta("signals") or "[]"))
    keys = {signal.key for signal in signals}
    if rolled_up - keys:
        store.delete("rollups", f"signal NOT IN ({', '.join(map(str, keys))})")
    before = int(store.meta("sealed") or 0)
    stale = {hour for hour in touched if hour < sealed}
    old = sorted(hour for hour in stale if hour < before)
    if old:
        store.delete("rollups", f"hour IN ({', '.join(map(str, old))})")
    if sealed > before:
        stale |= busy_hours(store, before, sealed)
    _add(store, [s for s in signals if s.key in rolled_up], stale)
    fresh = [s for s in signals if s.key not in rolled_up]
    if fresh:
        _add(store, fresh, busy_hours(store, 0, sealed))
    store.set_meta("signals", json.dumps(sorted(keys)))
    store.set_meta("sealed", str(max(sealed, before)))


def busy_hours(store: Store, first: int, end: int) -> set[int]:
    """The clock hours of [first, end) with events."""
    return {
        hour
        for (hour,) in store.database.run(
            f"SELECT DISTINCT us // {HOUR_US} FROM events"
            f" WHERE us >= {first * HOUR_US} AND us < {end * HOUR_US}"
        )
    }


def _add(store: Store, signals: Sequence[Signal], hours: set[int]) -> None:
    """Add the rollups of hours that have none of these signals, some hours at a time."""
    if not signals or not hours:
        return
    shares = of_kind(signals, is_distribution=False)
    distributions = of_kind(signals, is_distribution=True)
    for first, last in _runs(store, hours):
        inside = f"us >= {first * HOUR_US} AND us < {(last + 1) * HOUR_US}"
        missing = set(range(first, last + 1)) - hours
        if missing:
            inside += f" AND us // {HOUR_US} NOT IN ({', '.join(map(str, sorted(missing)))})"
        events = f"({canonical(inside)})"
        if shares:
            keys = _keys(shares)
            store.insert(
                "rollups", f"SELECT * REPLACE ({keys} AS signal) FROM ({counted(shares, events)})"
            )
        if distributions:
            keys = _keys(distributions)
            store.insert(
                "rollups",
                f"SELECT * REPLACE ({keys} AS signal) FROM ({distributed(distributions, events)})",
            )


def _keys(signals: Sequence[Signal]) -> str:
    return f"([{', '.join(f'{s.key}::UBIGINT' for s in signals)}])[signal + 1]"


def _runs(store: Store, hours: set[int]) -> Iterator[tuple[int, int]]:
    """The hours as ranges from first to last that have few enough events to be counted at once."""
    events = dict(
        store.database.run(
            f"SELECT us // {HOUR_US} AS hour, count(*) FROM events"
            f" WHERE us >= {min(hours) * HOUR_US} AND us < {(max(hours) + 1) * HOUR_US}"
            " GROUP BY ALL"
        )
    )
    start: int | None = None
    last = size = 0
    for hour in sorted(hours):
        many = events.get(hour, 0)
        if start is not None and (size + many > _EVENTS_AT_ONCE or hour - last > _GAP_HOURS):
            yield start, last
            start, size = None, 0
        start = hour if start is None else start
        last, size = hour, size + many
    if start is not None:
        yield start, last


def counts_of(row: Sequence[Any], bad_conversations: int = 0) -> Counts:
    """Counts of the columns of SUMS; of a history the distinct conversations are not asked."""
    n, k, units, bad_units, loose = row[:5]
    return Counts(n, k, units, bad_units, bad_conversations, loose, Clusters(units, *row[5:10]))


def added(rows: Iterable[Sequence[Any]]) -> list[Any]:
    """The sums of rows of SUMS."""
    all_rows = list(rows)
    return list(all_rows[0]) if len(all_rows) == 1 else [*map(sum, zip(*all_rows, strict=True))]

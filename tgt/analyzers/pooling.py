"""Subjects that are too thin in each service alone, taken together over all services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from tgt import subjects
from tgt.engine.protocol import Counts, Reading
from tgt.stats.confidence import Clusters

_NUMBERS = tuple(each.name for each in fields(Counts) if each.name != "clusters")
_SUMS = tuple(each.name for each in fields(Clusters))


def base(subject: str) -> str | None:
    """The subject without its service; None if it carries none."""
    parsed = subjects.parse(subject)
    return None if parsed.service is None else str(replace(parsed, service=None))


def by_base(readings: Iterable[Reading]) -> Mapping[str, list[Reading]]:
    """The readings of subjects that several services have, by the subject without its service."""
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        name = base(reading.subject)
        if name is not None:
            groups.setdefault(name, []).append(reading)
    return {name: some for name, some in groups.items() if len(some) > 1}


def together(subject: str, readings: Iterable[Reading]) -> Reading:
    """One reading of several of one window: what they count, and their histories, added up. A
    conversation of several services is counted in each."""
    all_readings = list(readings)
    hours = sorted({hour for reading in all_readings for hour in reading.history})
    return Reading(
        subject,
        all_readings[0].window,
        _sum(reading.now for reading in all_readings),
        {hour: _sum(r.history[hour] for r in all_readings if hour in r.history) for hour in hours},
    )


def _sum(counts: Iterable[Counts]) -> Counts:
    all_counts = list(counts)
    clusters = Clusters(
        *(sum(getattr(each.clusters, name) for each in all_counts) for name in _SUMS)
    )
    numbers = {name: sum(getattr(each, name) for each in all_counts) for name in _NUMBERS}
    return Counts(**numbers, clusters=clusters)

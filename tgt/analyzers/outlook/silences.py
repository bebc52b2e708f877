"""Silences: of which services there is history enough to miss them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tgt.analyzers.outlook.base import DAY_HOURS, Look, Outlook
from tgt.analyzers.silence import DAYS
from tgt.analyzers.telemetry_silence import EVENTS
from tgt.engine.services import is_agent
from tgt.events import HOUR_US, from_us, to_us


def outlooks(look: Look) -> Iterator[Outlook]:
    context, end = look.context, to_us(look.end) // HOUR_US
    for service in sorted(context.snapshot.coverage.services)[: look.most]:
        subject = f"service/{service or 'unnamed'}"
        if is_agent(service):
            yield look.lacking(subject, "a coding agent works when its people do")
            continue
        history = context.snapshot.distribution_history(EVENTS, service, context.window)
        first = min(history, default=end)
        days = (end - first) // DAY_HOURS
        if days < DAYS:
            at = from_us(first * HOUR_US) + timedelta(days=DAYS, hours=1) if history else None
            yield look.lacking(subject, f"{days} of {DAYS} days of history", at)
        else:
            yield Outlook(look.analyzer.name, subject, judgeable=True)

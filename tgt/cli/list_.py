"""``tgt list``: the tasks that pass the filters, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli import filters
from tgt.cli.filters import (
    ORDERS,
    AtLeast,
    InOrder,
    IsNew,
    OfAll,
    OfOwner,
    OfSeverity,
    OfStatus,
    OfSubject,
    OfType,
    Since,
)
from tgt.cli.request import parse_choice, parse_number
from tgt.cli.tasks import state_of, warn_of_skipped
from tgt.tasks.mute import marked
from tgt.tasks.reputation import marked as with_reputation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from tgt.cli.request import Request
    from tgt.listing import Asked
    from tgt.store.journal import Journal
    from tgt.store.journal_index import Head, View
    from tgt.tasks.card import Card
    from tgt.tasks.mute import Mutes
    from tgt.tasks.state import SchedulerState


def list_tasks(
    request: Request,
    *,
    status: OfStatus = None,
    type_: OfType = None,
    severity: OfSeverity = None,
    min_priority: AtLeast = None,
    subject: OfSubject = None,
    owner: OfOwner = None,
    new: IsNew = False,
    since: Since = None,
    sort: InOrder = "priority",
    limit: Annotated[
        str | None, typer.Option(metavar="N", help="Show at most N tasks (default: all).")
    ] = None,
    every: OfAll = False,
    fold: Annotated[
        bool,
        typer.Option(
            "--fold", help="One line for an incident: its likely first, and how many symptoms more."
        ),
    ] = False,
    ids: Annotated[bool, typer.Option("--ids", help="Only the ids, one a line.")] = False,
) -> None:
    """List the tasks, best first.

    The order is priority, then confidence, then newest. Filters may be repeated or
    comma-separated; without --status only the open tasks are listed, and
    without --all none that tgt mute keeps quiet.
    """
    from tgt import listing

    most = None if limit is None else int(parse_number("--limit", limit, 0, 10**9))
    order = parse_choice("--sort", sort, ORDERS)
    first = filters.since(request, since, new=new)
    journal = request.journal()
    news = None if first is None else _news(journal, first, request.now_option)
    query = listing.Asked(
        statuses=filters.words_of(status),
        types=filters.words_of(type_),
        severities=filters.words_of(severity),
        subjects=subject,
        owners=filters.words_of(owner),
        least=parse_number("--min-priority", min_priority or "0", 0, 100, whole=False),
        every=every,
        since=first,
        news=news,
    )

    muted = _muted(request)

    def look(view: View) -> list[str]:
        warn_of_skipped(request, view.skipped_lines)
        state = state_of(request)
        reputation = request.reputation(view)
        heads = [
            listing.lowered(listing.current(head, state), reputation)
            for head in view.heads.values()
        ]
        filters.check(query, heads)
        fitting = [head for head in heads if query.fits(head)]
        chosen = [head for head in fitting if every or not listing.is_muted(head, muted)]
        hidden = len(fitting) - len(chosen)
        chosen.sort(key=listing.order(order, state.sightings))
        total = len(chosen)
        more: dict[str, int] = {}
        if fold and not request.json:
            chosen, more = _in_incidents(view, chosen, state)
        if ids and not request.json:
            from tgt.output.safe import safe

            return [f"{safe(head.id)}\n" for head in chosen[:most]]
        stored = (view.card(view.heads[head.id]) for head in chosen[:most])
        seen = listing.as_seen(stored, state)
        cards = (marked(with_reputation(card, reputation), muted) for card in seen)
        if request.json:
            from tgt.output import machine

            return list(machine.task_list(cards, total, hidden, first, news))
        return [_listed(request, view, cards, total, hidden, query, state, more)]

    from tgt.store.journal_index import viewed

    request.reply(*viewed(journal, look))


def _muted(request: Request) -> Mutes:
    from tgt import diagnostics, mutes

    in_force = mutes.if_readable(request.tasks_dir, request.now)
    if in_force.warning:
        diagnostics.warn(in_force.warning)
    return in_force.mutes


def _news(journal: Journal, since: datetime, until: datetime | None) -> Mapping[str, str]:
    from tgt import log

    return log.news(journal, since, until)


def _in_incidents(
    view: View, chosen: Sequence[Head], state: SchedulerState
) -> tuple[list[Head], dict[str, int]]:
    """The heads with one for each incident, where the best of it stands; and, by its id, for how
    many others it stands."""
    from tgt import listing
    from tgt.tasks import related

    cards = listing.as_seen((view.card(view.heads[head.id]) for head in chosen), state)
    groups = related.groups(card.brief() for card in cards)
    heads = {head.id: head for head in chosen}
    more = {first: len(members) - 1 for first, members in groups.items() if len(members) > 1}
    return [heads[first] for first in groups], more


def _listed(
    request: Request,
    view: View,
    cards: Iterable[Card],
    total: int,
    hidden: int,
    query: Asked,
    state: SchedulerState,
    more: Mapping[str, int],
) -> str:
    from tgt.output import list_view, run_health

    shown = list_view.Listing(
        shown=list_view.compact(cards),
        total=total,
        hidden=hidden,
        known=view.heads,
        place=str(request.tasks_dir),
        filtered=query.any,
        since=query.since,
        news=query.news,
        more=more,
        notes=run_health.notes(state, request.cadence, request.now),
    )
    return list_view.task_list(request.screen, shown, request.now)

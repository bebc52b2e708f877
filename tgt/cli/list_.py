"""``tgt list``: the tasks that pass the filters, best first."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import (
    complete_list,
    complete_owner,
    complete_types,
    complete_words,
    severities,
    statuses,
    types,
)
from tgt.cli.request import parse_choice, parse_number
from tgt.cli.tasks import state_of, warn_of_skipped
from tgt.errors import SettingsError
from tgt.tasks.card import OPEN, OPEN_STATUSES
from tgt.tasks.mute import marked
from tgt.tasks.reputation import marked as with_reputation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tgt.cli.request import Request
    from tgt.store.journal import Journal
    from tgt.store.journal_index import Head, View
    from tgt.tasks.card import Card
    from tgt.tasks.mute import Mutes
    from tgt.tasks.reputation import Reputation
    from tgt.tasks.state import SchedulerState, Sighting

Words = list[str] | None
ORDERS = ("priority", "age", "seen")
_RECENT = "24h"


def list_tasks(
    request: Request,
    *,
    status: Annotated[
        Words,
        typer.Option(
            metavar="S",
            help="Only these statuses; open is generated,approved (default: open).",
            autocompletion=complete_list(statuses),
        ),
    ] = None,
    type_: Annotated[
        Words,
        typer.Option(
            "--type",
            metavar="T",
            help="Only these types, or of these analyzers (default: all).",
            autocompletion=complete_types,
        ),
    ] = None,
    severity: Annotated[
        Words,
        typer.Option(
            metavar="S",
            help="Only these severities (default: all).",
            autocompletion=complete_list(severities),
        ),
    ] = None,
    min_priority: Annotated[
        str | None,
        typer.Option(metavar="N", help="Only tasks of at least this priority, 0-100 (default: 0)."),
    ] = None,
    subject: Annotated[
        Words, typer.Option(metavar="GLOB", help="Only these subjects, such as 'tool_call/*'.")
    ] = None,
    owner: Annotated[
        Words,
        typer.Option(
            metavar="NAME", help="Only tasks of these people.", autocompletion=complete_owner
        ),
    ] = None,
    new: Annotated[
        bool,
        typer.Option(
            "--new", help="Only what is new, worse or back since --since (default: the last 24 h)."
        ),
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="The same since a time: 2d, or an instant; stands for --new too."
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            metavar="|".join(ORDERS),
            help="Best first, newest first, or last seen first.",
            autocompletion=complete_words(ORDERS),
        ),
    ] = "priority",
    limit: Annotated[
        str | None, typer.Option(metavar="N", help="Show at most N tasks (default: all).")
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Tasks of every status, not only the open ones; muted ones too."
        ),
    ] = False,
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
    most = None if limit is None else int(parse_number("--limit", limit, 0, 10**9))
    order = parse_choice("--sort", sort, ORDERS)
    first = _since(request, since, new=new)
    journal = request.journal()
    news = None if first is None else _news(journal, first, request.now_option)
    asked = Asked(
        statuses=_words(status),
        types=_words(type_),
        severities=_words(severity),
        subjects=subject,
        owners=_words(owner),
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
        heads = [_lowered(_current(head, state), reputation) for head in view.heads.values()]
        _check("--status", asked.statuses, statuses, (head.status for head in heads))
        _check("--type", asked.types, types, (w for h in heads for w in (h.type, h.analyzer)))
        _check("--severity", asked.severities, severities, (head.severity for head in heads))
        fitting = [head for head in heads if asked.fits(head)]
        chosen = [head for head in fitting if every or not _is_hidden(head, muted)]
        hidden = len(fitting) - len(chosen)
        chosen.sort(key=_order(order, state.sightings))
        total = len(chosen)
        more: dict[str, int] = {}
        if fold and not request.json:
            chosen, more = _in_incidents(view, chosen, state)
        if ids and not request.json:
            from tgt.output.safe import safe

            return [f"{safe(head.id)}\n" for head in chosen[:most]]
        stored = (view.card(view.heads[head.id]) for head in chosen[:most])
        cards = (marked(with_reputation(c, reputation), muted) for c in _seen(stored, state))
        if request.json:
            from tgt.output import machine

            return list(machine.task_list(cards, total, hidden, first, news))
        return [_listed(request, view, cards, total, hidden, asked, state, more)]

    from tgt.store.journal_index import viewed

    request.reply(*viewed(journal, look))


def _muted(request: Request) -> Mutes:
    from tgt import diagnostics, mutes

    known = mutes.if_readable(request.tasks_dir, request.now)
    if known.warning:
        diagnostics.warn(known.warning)
    return known.mutes


def _is_hidden(head: Head, muted: Mutes) -> bool:
    """Whether this is an open task that somebody wants to be quiet."""
    is_open = head.status in OPEN_STATUSES
    return is_open and muted.covering(head.subject, head.type, head.analyzer) is not None


def _since(request: Request, since: str | None, *, new: bool) -> datetime | None:
    """Since when a task must be news to be listed; None where that was not asked."""
    if since is None and not new:
        return None
    from tgt.cli.telemetry import instant

    return instant(since or _RECENT, request.now)


def _news(journal: Journal, since: datetime, until: datetime | None) -> Mapping[str, str]:
    from tgt import log

    return log.news(journal, since, until)


@dataclass(frozen=True)
class Asked:
    """The filters; None where one was not given. ``news`` says of the tasks that are news since
    ``since`` why they are."""

    statuses: set[str] | None
    types: set[str] | None
    severities: set[str] | None
    subjects: Sequence[str] | None
    owners: set[str] | None
    least: float
    every: bool
    since: datetime | None
    news: Mapping[str, str] | None

    @property
    def any(self) -> bool:
        named = (self.statuses, self.types, self.severities, self.subjects, self.owners, self.news)
        return self.least > 0 or any(words is not None for words in named)

    def fits(self, head: Head) -> bool:
        return (
            self._status_fits(head.status)
            and (self.news is None or head.id in self.news)
            and (self.types is None or not self.types.isdisjoint(_folded(head.type, head.analyzer)))
            and _fits(head.severity, self.severities)
            and _fits(head.owner, self.owners)
            and (self.subjects is None or any(fnmatchcase(head.subject, g) for g in self.subjects))
            and head.priority >= self.least
        )

    def _status_fits(self, status: str) -> bool:
        is_open = status in OPEN_STATUSES
        if self.statuses is None:
            return self.every or is_open
        return status.lower() in self.statuses or (is_open and OPEN in self.statuses)


def _fits(word: str, accepted: set[str] | None) -> bool:
    return accepted is None or word.lower() in accepted


def _folded(*words: str) -> set[str]:
    return {word.lower() for word in words}


def _words(given: Words) -> set[str] | None:
    """The words of a filter, in lower case; None where it was not given."""
    if given is None:
        return None
    return {word.strip().lower() for part in given for word in part.split(",") if word.strip()}


def _check(
    option: str, words: set[str] | None, names: Callable[[], Sequence[str]], present: Iterable[str]
) -> None:
    """A word that neither tgt nor the journal knows is a mistake, not an empty answer."""
    if words is None:
        return
    known = names()
    accepted = list(dict.fromkeys((*known, *sorted({word for word in present if word}))))
    unknown = sorted(words - _folded(*accepted))
    if unknown or not words:
        raise SettingsError(
            f"{option}={','.join(unknown)!r} is not usable: accepted is a comma-separated choice "
            f"of {', '.join(accepted)}"
        )


def _order(
    order: str, sightings: Mapping[str, Sighting]
) -> Callable[[Head], tuple[float | str, ...]]:
    if order == "age":
        return lambda head: (head.age, *head.sort_key)
    if order == "priority":
        return lambda head: head.sort_key

    def last_seen_first(head: Head) -> tuple[float | str, ...]:
        seen = sightings.get(head.id)
        later = seen.last_seen_at.timestamp() if seen is not None else head.seen
        return (-max(head.seen, later), *head.sort_key)

    return last_seen_first


def _current(head: Head, state: SchedulerState) -> Head:
    """The head with what the last run that saw the problem measured."""
    from tgt.tasks import ledger
    from tgt.tasks.card import Card

    seen, watch = state.sightings.get(head.id), state.watches.get(head.id)
    is_newer = seen is not None and seen.last_seen_at.timestamp() >= head.seen
    if not watch and not (is_newer and seen and seen.now):
        return head
    known = {name: getattr(head, name) for name in ("severity", "priority", "confidence")}
    now = dict(seen.now) if is_newer and seen and seen.now else dict(known)
    card = ledger.overlaid(Card({**known, "status": head.status, "now": now}), None, watch).current
    return head._replace(severity=card.severity, priority=card.priority, confidence=card.confidence)


def _lowered(head: Head, reputation: Reputation) -> Head:
    """The head with the priority that is left of it."""
    if head.status not in OPEN_STATUSES:
        return head
    about = (head.severity, head.analyzer or head.type, head.subject)
    return head._replace(priority=reputation.lowered(head.priority, *about))


def _seen(cards: Iterable[Card], state: SchedulerState) -> Iterator[Card]:
    """The cards as they are shown, of which only one at a time is in memory."""
    from tgt.tasks import ledger

    for card in cards:
        yield ledger.overlaid(card, state.sightings.get(card.id), state.watches.get(card.id))


def _in_incidents(
    view: View, chosen: Sequence[Head], state: SchedulerState
) -> tuple[list[Head], dict[str, int]]:
    """The heads with one for each incident, where the best of it stands; and, by its id, for how
    many others it stands."""
    from tgt.tasks import related

    cards = _seen((view.card(view.heads[head.id]) for head in chosen), state)
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
    asked: Asked,
    state: SchedulerState,
    more: Mapping[str, int],
) -> str:
    from tgt.output import list_view, run_health

    listing = list_view.Listing(
        shown=list_view.compact(cards),
        total=total,
        hidden=hidden,
        known=view.heads,
        place=str(request.tasks_dir),
        filtered=asked.any,
        since=asked.since,
        news=asked.news,
        more=more,
        notes=run_health.notes(state, request.cadence, request.now),
    )
    return list_view.task_list(request.screen, listing, request.now)

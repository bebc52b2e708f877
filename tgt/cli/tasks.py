"""What the commands that name tasks share: which ones are meant, and how a change is told."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from tgt.cli.completion import complete_task
from tgt.errors import SettingsError
from tgt.tasks.card import Card, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from tgt.cli.request import Request
    from tgt.store.journal import Journal
    from tgt.tasks.state import SchedulerState
    from tgt.triage import Outcome

Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK",
        help="An id, its beginning or end, or a whole subject that one open task has. Several may "
        "be given; - reads them from standard input, one a line.",
        autocompletion=complete_task,
    ),
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Kept with the task.")]


def named(tasks: Sequence[str]) -> list[str]:
    """The arguments, with ``-`` replaced by the lines of standard input. Raises SettingsError."""
    names: list[str] = []
    for name in tasks:
        if name == "-":
            stream = cast("TextIO | None", sys.stdin)
            text = stream.buffer.read().decode("utf-8", "replace") if stream is not None else ""
            names += [line.strip() for line in text.splitlines() if line.strip()]
        elif name.strip():
            names.append(name.strip())
        else:
            raise SettingsError(
                f"TASK={name!r} is not usable: accepted is an id, an end of one, or a subject"
            )
    return names


def harmless(text: str | None) -> str | None:
    """What somebody says about a task, as it is stored: nothing in it acts on a terminal."""
    from tgt.output.safe import safe

    return None if text is None else safe(text, lines=True)


def me() -> str:
    """The name of the user who says it, or a number where there is no name."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def warn_of_skipped(request: Request, count: int) -> None:
    from tgt import diagnostics
    from tgt.output.words import plural

    if count:
        lines = plural(count, "line")
        diagnostics.warn(f"skipped {lines} of {request.journal().path}: no task cards")


def state_of(request: Request, cards: Iterable[Card] = ()) -> SchedulerState:
    """What runs remember; what is wrong with it is a warning, and ``cards`` stand in for it."""
    from tgt import diagnostics

    state, warnings = request.sidecar().read(cards)
    for warning in warnings:
        diagnostics.warn(warning)
    return state


def seen(request: Request, cards: Mapping[str, Card]) -> dict[str, Card]:
    """The cards as they are shown: with what was seen of them since their line was written."""
    from tgt.tasks import ledger

    state = state_of(request, cards.values())
    return ledger.overlay(cards, state.sightings, state.watches)


def with_reputation(request: Request, cards: Iterable[Card]) -> list[Card]:
    """The cards as they are shown: with what is left of their priority."""
    from tgt.store.journal_index import viewed
    from tgt.tasks.reputation import marked

    reputation = viewed(request.journal(), request.reputation)
    return [marked(card, reputation) for card in cards]


def change(
    request: Request,
    done: str,
    tasks: Sequence[str],
    apply: Callable[[Journal, Sequence[str], datetime], Outcome],
) -> None:
    """Change the tasks that were named, all or none, and say that each is ``done``."""
    names = named(tasks)
    outcome = apply(request.journal(), names, request.now) if names else None
    cards = seen(request, {card.id: card for card in outcome.cards}) if outcome else {}
    already = outcome.already if outcome else frozenset()
    message = _message(len(cards) - len(already), len(already), done)
    if request.json:
        from tgt.output import machine

        request.reply_json(machine.changed(cards.values(), message))
        return
    from tgt.output.safe import safe

    for card in cards.values():
        word = f"already {_state(card, done)}" if card.id in already else done
        request.reply(f"{word}  {safe(card.id, limit=60)}  {safe(card.title, limit=200)}\n")
    if not cards:
        request.reply(f"{message}\n")


def _state(card: Card, done: str) -> str:
    if done == "annotated":
        return "so"
    return "open" if card.status == Status.GENERATED else card.status


def _message(changed: int, already: int, done: str) -> str:
    from tgt.output.words import plural

    parts = [f"{plural(changed, 'task')} {done}"] if changed else []
    if already:
        parts.append(f"{plural(already, 'task')} already so")
    return ", ".join(parts) or "Nothing to do: no task was named"

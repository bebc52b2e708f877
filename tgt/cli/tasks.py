"""What the commands that name tasks share: ids as arguments, from standard input, by completion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from tgt.errors import SettingsError, TgtError
from tgt.tasks.card import Card, Severity, Status, TaskType, sort_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from tgt.cli.request import Request
    from tgt.store.journal import Journal
    from tgt.triage import Outcome

TASK_HELP = "An id, or any unambiguous prefix of one."


def complete_task(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Ids of open tasks for the shell; a failure offers none: a prompt is no place to tell it."""
    from tgt import config  # noqa: PLC0415 not needed by --help
    from tgt.store.journal import Journal  # noqa: PLC0415

    given = context.params.get("env_file") or context.find_root().params.get("env_file")
    try:
        directory = config.load(env_file=Path(given) if given else None).tasks_dir
        found = Journal(directory).find([incomplete])
    except TgtError:
        return []
    # A shell may show the help text as it is, so only words of tgt's own go there.
    own = {*Severity, *TaskType}
    return [
        (
            incomplete + card.id[len(incomplete) :],
            " ".join(word for word in (card.severity, card.type) if word in own),
        )
        for card in sorted(found.values(), key=sort_key)
        if card.is_open and card.id.isalnum() and card.id.isascii()
    ]


Task = Annotated[str, typer.Argument(metavar="TASK", help=TASK_HELP, autocompletion=complete_task)]
Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK",
        help=f"{TASK_HELP} Several may be given; - reads ids from standard input, one a line.",
        autocompletion=complete_task,
    ),
]


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
                f"TASK={name!r} is not usable: accepted is an id or a prefix of one"
            )
    return names


def journal_cards(request: Request) -> dict[str, Card]:
    """All cards as they are written; a warning counts the lines of the journal that are none."""
    content = request.journal().read()
    warn_of_skipped(request, content.skipped_lines)
    return content.cards


def warn_of_skipped(request: Request, count: int) -> None:
    from tgt import diagnostics  # noqa: PLC0415 not needed by --help
    from tgt.output.words import plural  # noqa: PLC0415

    if count:
        lines = plural(count, "line")
        diagnostics.warn(f"skipped {lines} of {request.journal().path}: no task cards")


def seen(request: Request, cards: Mapping[str, Card]) -> dict[str, Card]:
    """The cards as they are shown: with what was seen of them since their line was written."""
    from tgt import diagnostics  # noqa: PLC0415 not needed by --help
    from tgt.tasks import ledger  # noqa: PLC0415 not needed by --help

    state, warnings = request.sidecar().read(cards.values())
    for warning in warnings:
        diagnostics.warn(warning)
    return ledger.overlay(cards, state.sightings)


def seen_one_by_one(request: Request, cards: Iterable[Card]) -> Iterator[Card]:
    """The same for many cards, of which only one at a time is in memory."""
    from tgt import diagnostics  # noqa: PLC0415 not needed by --help
    from tgt.tasks import ledger  # noqa: PLC0415 not needed by --help

    state, warnings = request.sidecar().read(())
    for warning in warnings:
        diagnostics.warn(warning)
    for card in cards:
        yield ledger.overlaid(card, state.sightings.get(card.id))


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
        from tgt.output import machine  # noqa: PLC0415 only what the answer needs

        request.reply_json(machine.changed(cards.values(), message))
        return
    from tgt.output.safe import safe  # noqa: PLC0415

    for card in cards.values():
        word = f"already {_state(card)}" if card.id in already else done
        request.reply(f"{word}  {safe(card.id, limit=60)}  {safe(card.title, limit=200)}\n")
    if not cards:
        request.reply(f"{message}\n")


def _state(card: Card) -> str:
    return "open" if card.status == Status.GENERATED else card.status


def _message(changed: int, already: int, done: str) -> str:
    from tgt.output.words import plural  # noqa: PLC0415 not needed by --help

    told = [f"{plural(changed, 'task')} {done}"] if changed else []
    if already:
        told.append(f"{plural(already, 'task')} already so")
    return ", ".join(told) or "Nothing to do: no task was named"

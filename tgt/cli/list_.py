"""``tgt list``: the tasks that pass the filters, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.request import parse_number
from tgt.cli.tasks import seen_one_by_one, warn_of_skipped
from tgt.errors import SettingsError
from tgt.tasks.card import OPEN_STATUSES, Severity, Status, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tgt.cli.request import Request
    from tgt.store.journal_index import View

Words = list[str] | None


def list_tasks(
    request: Request,
    *,
    status: Annotated[
        Words, typer.Option(metavar="S", help="Only these statuses (default: generated,approved).")
    ] = None,
    type_: Annotated[
        Words, typer.Option("--type", metavar="T", help="Only these types (default: all).")
    ] = None,
    severity: Annotated[
        Words, typer.Option(metavar="S", help="Only these severities (default: all).")
    ] = None,
    min_priority: Annotated[
        str | None,
        typer.Option(metavar="N", help="Only tasks of at least this priority, 0-100 (default: 0)."),
    ] = None,
    limit: Annotated[
        str | None, typer.Option(metavar="N", help="Show at most N tasks (default: all).")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Tasks of every status, not only the open ones.")
    ] = False,
) -> None:
    """List the tasks, best first.

    The order is priority, then confidence, then newest. Filters may be repeated or
    comma-separated; without --status only the open tasks are listed.
    """
    least = parse_number("--min-priority", min_priority or "0", 0, 100, whole=False)
    most = None if limit is None else int(parse_number("--limit", limit, 0, 10**9))
    given = {"status": status, "type": type_, "severity": severity}

    def look(view: View) -> list[str]:
        warn_of_skipped(request, view.skipped_lines)
        heads = view.heads.values()
        statuses = _choice("--status", status, Status, (head.status for head in heads))
        types = _choice("--type", type_, TaskType, (head.type for head in heads))
        severities = _choice("--severity", severity, Severity, (head.severity for head in heads))
        if statuses is None and not every:
            statuses = {str(word) for word in OPEN_STATUSES}
        chosen = [
            head
            for head in heads
            if _fits(head.status, statuses)
            and _fits(head.type, types)
            and _fits(head.severity, severities)
            and head.priority >= least
        ]
        chosen.sort(key=lambda head: head.sort_key)
        shown = (view.card(head) for head in chosen[:most])
        cards = seen_one_by_one(request, shown)
        if request.json:
            from tgt.output import machine  # noqa: PLC0415 only what the answer needs

            return list(machine.task_list(cards, len(chosen)))
        from tgt.output import list_view  # noqa: PLC0415 rich stays out of --json

        filtered = min_priority is not None or any(words is not None for words in given.values())
        return [
            list_view.task_list(
                request.screen,
                list_view.compact(cards),
                total=len(chosen),
                known=view.heads,
                filtered=filtered,
                now=request.now,
            )
        ]

    from tgt.store.journal_index import viewed  # noqa: PLC0415 not needed by --help

    request.reply(*viewed(request.journal(), look))


def _fits(word: str, accepted: set[str] | None) -> bool:
    return accepted is None or word.lower() in accepted


def _choice(
    option: str, given: Words, known: Iterable[str], present: Iterable[str]
) -> set[str] | None:
    """The words of a filter, in lower case; None where it was not given.

    A word that neither tgt nor the journal knows is a mistake, not an empty answer.
    """
    if given is None:
        return None
    names = [str(word) for word in known]
    accepted: Sequence[str] = names
    words = {word.strip().lower() for part in given for word in part.split(",") if word.strip()}
    if not words <= set(names):
        accepted = [*names, *sorted({word for word in present if word} - set(names))]
    unknown = sorted(words - {name.lower() for name in accepted})
    if unknown or not words:
        raise SettingsError(
            f"{option}={','.join(unknown)!r} is not usable: accepted is a comma-separated choice "
            f"of {', '.join(accepted)}"
        )
    return words

"""The filters of the commands that list tasks: what may be given, and what it means."""

from __future__ import annotations

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
from tgt.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from tgt.cli.request import Request
    from tgt.listing import Asked
    from tgt.store.journal_index import Head

Words = list[str] | None
ORDERS = ("priority", "age", "seen")
_RECENT = "24h"

OfStatus = Annotated[
    Words,
    typer.Option(
        "--status",
        metavar="S",
        help="Only these statuses; open is generated,approved (default: open).",
        autocompletion=complete_list(statuses),
    ),
]
OfType = Annotated[
    Words,
    typer.Option(
        "--type",
        metavar="T",
        help="Only these types, or of these analyzers (default: all).",
        autocompletion=complete_types,
    ),
]
OfSeverity = Annotated[
    Words,
    typer.Option(
        "--severity",
        metavar="S",
        help="Only these severities (default: all).",
        autocompletion=complete_list(severities),
    ),
]
AtLeast = Annotated[
    str | None,
    typer.Option(
        "--min-priority",
        metavar="N",
        help="Only tasks of at least this priority, 0-100 (default: 0).",
    ),
]
OfSubject = Annotated[
    Words,
    typer.Option("--subject", metavar="GLOB", help="Only these subjects, such as 'tool_call/*'."),
]
OfOwner = Annotated[
    Words,
    typer.Option(
        "--owner",
        metavar="NAME",
        help="Only tasks of these people.",
        autocompletion=complete_owner,
    ),
]
IsNew = Annotated[
    bool,
    typer.Option(
        "--new", help="Only what is new, worse or back since --since (default: the last 24 h)."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="TIME",
        help="The same since a time: 2d, or an instant; stands for --new too.",
    ),
]
InOrder = Annotated[
    str,
    typer.Option(
        "--sort",
        metavar="|".join(ORDERS),
        help="Best first, newest first, or last seen first.",
        autocompletion=complete_words(ORDERS),
    ),
]
OfAll = Annotated[
    bool,
    typer.Option("--all", help="Tasks of every status, not only the open ones; muted ones too."),
]


def words_of(option: Words) -> frozenset[str] | None:
    """The words of a filter, in lower case; None where it was not given."""
    if option is None:
        return None
    words = (word.strip().lower() for part in option for word in part.split(","))
    return frozenset(word for word in words if word)


def since(request: Request, option: str | None, *, new: bool) -> datetime | None:
    """Since when a task must be news to be listed; None where that was not asked."""
    if option is None and not new:
        return None
    from tgt.cli.telemetry import instant

    return instant(option or _RECENT, request.now)


def check(filters: Asked, heads: Sequence[Head]) -> None:
    """A word that neither tgt nor the journal knows is a mistake, not an empty answer.

    Raises SettingsError.
    """
    _check("--status", filters.statuses, statuses, (head.status for head in heads))
    _check("--type", filters.types, types, (w for h in heads for w in (h.type, h.analyzer)))
    _check("--severity", filters.severities, severities, (head.severity for head in heads))


def _check(
    option: str,
    words: frozenset[str] | None,
    names: Callable[[], Sequence[str]],
    present: Iterable[str],
) -> None:
    if words is None:
        return
    choices = names()
    accepted = list(dict.fromkeys((*choices, *sorted({word for word in present if word}))))
    unknown = sorted(words - {word.lower() for word in accepted})
    if unknown or not words:
        raise SettingsError(
            f"{option}={','.join(unknown)!r} is not usable: accepted is a comma-separated choice "
            f"of {', '.join(accepted)}"
        )

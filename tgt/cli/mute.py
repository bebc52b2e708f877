"""``tgt mute`` and ``tgt unmute``: a whole family of subjects is quiet, for good or for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from tgt.cli.completion import complete_types, types
from tgt.cli.tasks import me
from tgt.durations import parse_duration
from tgt.errors import SettingsError
from tgt.tasks.card import OPEN_STATUSES
from tgt.tasks.mute import LONGEST_GLOB, LONGEST_REASON, Mute, Mutes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tgt.cli.request import Request
    from tgt.store.journal_index import Head

T = TypeVar("T")

Glob = Annotated[
    str | None,
    typer.Argument(
        metavar="SUBJECT-GLOB", help="Which subjects, such as 'tool_call/*', as in tgt list."
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="T",
        help="Only problems of these types, or of these analyzers (default: all).",
        autocompletion=complete_types,
    ),
]


def mute(
    request: Request,
    subject: Glob = None,
    *,
    type_: Types = None,
    length: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="Such as 30d (default: until tgt unmute)."),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for those who ask.")] = "",
    shows: Annotated[bool, typer.Option("--list", help="Show what is muted.")] = False,
) -> None:
    """Keep a whole family of subjects quiet, for good or for a while.

    Their problems make no tasks and change none; runs count them. Open tasks about them are left
    out of tgt list, but for --all, and nobody is told of them until it ends.
    """
    from tgt import mutes

    if shows:
        if subject is not None or type_ or length is not None or reason:
            raise SettingsError("--list stands alone: it shows all that is muted")
        _list(request)
        return
    glob = _line("SUBJECT-GLOB", subject or "", LONGEST_GLOB)
    until = None if length is None else request.now + parse_duration(length)
    why = _line("--reason", reason, LONGEST_REASON) if reason.strip() else ""
    types_meant = _types(request, type_) or [""]
    wanted = [Mute(request.now, glob, each, until, why, by=me()) for each in types_meant]
    new = mutes.mute(request.tasks_dir, wanted, request.now)
    new_mutes = Mutes(wanted)
    count = _viewed(request, lambda heads: _covered(new_mutes, heads))
    from tgt.output import mutes_view

    message = mutes_view.muted(new, wanted, count)
    if request.json:
        forms = [each.about for each in wanted]
        request.reply_json({"mutes": forms, "count": len(forms), "message": message})
    else:
        request.reply(f"{message}\n")


def unmute(request: Request, subject: Glob = None, *, type_: Types = None) -> None:
    """End mutes, named by the glob as it was given."""
    from tgt import mutes
    from tgt.output import mutes_view

    glob = _line("SUBJECT-GLOB", subject or "", LONGEST_GLOB)
    ended = mutes.unmute(request.tasks_dir, glob, _types(request, type_), request.now, me())
    left = list(mutes.in_force(request.tasks_dir, request.now).mutes)
    message = mutes_view.unmuted(ended, glob, left)
    if request.json:
        forms = [each.about for each in ended]
        request.reply_json({"mutes": forms, "count": len(forms), "message": message})
    else:
        request.reply(f"{message}\n")


def _list(request: Request) -> None:
    from tgt import diagnostics, mutes
    from tgt.output import mutes_view

    in_force = mutes.in_force(request.tasks_dir, request.now)
    if in_force.warning:
        diagnostics.warn(in_force.warning)
    each_alone = [(each, Mutes([each])) for each in in_force.mutes]
    counts = _viewed(
        request, lambda heads: [(m, _covered(alone, heads)) for m, alone in each_alone]
    )
    if request.json:
        forms = [{**each.about, "openTasks": count} for each, count in counts]
        request.reply_json({"mutes": forms, "count": len(forms)})
    else:
        request.reply(*mutes_view.mutes(counts))


def _viewed(request: Request, look: Callable[[Mapping[str, Head]], T]) -> T:
    from tgt.store.journal_index import viewed

    return viewed(request.journal(), lambda view: look(view.heads))


def _words(head: Head) -> set[str]:
    return {word for word in (head.type, head.analyzer) if word}


def _covered(mutes: Mutes, heads: Mapping[str, Head]) -> int:
    """How many open tasks are muted."""
    return sum(
        head.status in OPEN_STATUSES
        and mutes.covering(head.subject, head.type, head.analyzer) is not None
        for head in heads.values()
    )


def _line(what: str, text: str, longest: int) -> str:
    """One line of printable text of bounded length. Raises SettingsError."""
    from tgt.output.safe import safe

    if not text.strip():
        raise SettingsError(f"{what} is missing: say which subjects, as in tgt mute 'tool_call/*'")
    word = safe(text.strip(), limit=longest)
    if word != text.strip():
        raise SettingsError(
            f"{what}={text[:80]!r} is not usable: accepted is a line of at most {longest}"
            " characters"
        )
    return word


def _types(request: Request, option: Sequence[str] | None) -> list[str]:
    """The types that are named; one that neither tgt, nor a task, nor an analyzer in use has is a
    mistake. Raises SettingsError."""
    if option is None:
        return []
    words = dict.fromkeys(
        w.strip().lower() for part in option for w in part.split(",") if w.strip()
    )
    known = list(types())
    if not words or not words.keys() <= {*known}:
        present = _viewed(request, lambda heads: {w for h in heads.values() for w in _words(h)})
        known = list(dict.fromkeys((*known, *request.settings().asked, *sorted(present))))
    unknown = [word for word in words if word not in {each.lower() for each in known}]
    if unknown or not words:
        raise SettingsError(
            f"--type={','.join(unknown)!r} is not usable: accepted is a comma-separated choice of"
            f" {', '.join(known)}"
        )
    return list(words)

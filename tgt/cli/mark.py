"""``tgt mark``: remember a change, so that a card can say what came before its problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.telemetry import instant
from tgt.errors import SettingsError

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.tasks.mark import Mark


def mark(
    request: Request,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="What changed, such as a release.")
    ] = None,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When: 2h for two hours ago, or an instant (default: now)."
        ),
    ] = None,
    service: Annotated[
        str, typer.Option(metavar="S", help="Only this service has changed (default: any may).")
    ] = "",
    shows: Annotated[bool, typer.Option("--list", help="Show what is remembered.")] = False,
) -> None:
    """Remember a change: a release, a prompt, a model.

    A task whose problem began soon after it says so, with what was measured before and after.
    """
    from tgt import marks
    from tgt.output import marks_view
    from tgt.tasks.mark import Mark

    if shows:
        if name is not None or at is not None or service:
            raise SettingsError("--list stands alone: it shows all that is remembered")
        stored = marks.listed(request.tasks_dir, request.now_option)
        _warn_of_skipped(stored.skipped_lines)
        if request.json:
            request.reply_json(
                {"marks": [each.document for each in stored.marks], "count": len(stored.marks)}
            )
        else:
            request.reply(*marks_view.marks(stored.marks))
        return
    moment = request.now if at is None else instant(at, request.now, "--at")
    new_mark = Mark(moment, _word("NAME", name), _word("--service", service) if service else "")
    is_new = marks.add(request.tasks_dir, new_mark)
    _answer(request, new_mark, is_new=is_new)


def _answer(request: Request, new_mark: Mark, *, is_new: bool) -> None:
    from tgt.output import marks_view

    message = marks_view.message(new_mark, is_new=is_new)
    if request.json:
        request.reply_json({"mark": new_mark.document, "message": message})
    else:
        request.reply(f"{message}\n")


def _word(what: str, text: str | None) -> str:
    """One line of printable text of bounded length. Raises SettingsError."""
    from tgt.output.safe import safe
    from tgt.tasks.mark import LONGEST_NAME

    if text is None or not text.strip():
        raise SettingsError(f"{what} is missing: say what changed, as in tgt mark 'release 2.1'")
    word = safe(text.strip(), limit=LONGEST_NAME)
    if word != text.strip():
        raise SettingsError(
            f"{what}={text[:80]!r} is not usable: accepted is a line of at most {LONGEST_NAME}"
            " characters"
        )
    return word


def _warn_of_skipped(count: int) -> None:
    from tgt import diagnostics

    if count:
        warning = "1 line of marks.jsonl is no mark" if count == 1 else ""
        diagnostics.warn(warning or f"{count} lines of marks.jsonl are no marks")

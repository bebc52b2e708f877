"""``tgt annotate``: whose these tasks are, where they are tracked, and what was said of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_owner
from tgt.cli.tasks import Note, Tasks, change, harmless, me
from tgt.errors import SettingsError

if TYPE_CHECKING:
    from tgt.cli.request import Request

_ADDRESS = re.compile(r"https?://[^\s\x00-\x20\x7f]{1,2000}")
_LONGEST_OWNER = 100


def annotate(
    request: Request,
    tasks: Tasks,
    *,
    owner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose it is; an empty name for nobody's.",
            autocompletion=complete_owner,
        ),
    ] = None,
    links: Annotated[
        list[str] | None,
        typer.Option("--link", metavar="URL", help="Where it is tracked; may be repeated."),
    ] = None,
    note: Note = None,
) -> None:
    """Say whose tasks are, where they are tracked, or anything else.

    Their status stays as it is.
    """
    from tgt import triage

    if owner is None and not links and note is None:
        raise SettingsError("nothing to say: give --owner, --link or --note")
    addresses = [address(link) for link in links or ()]
    whose, words, who = name(owner), harmless(note), me()
    change(
        request,
        "annotated",
        tasks,
        lambda *what: triage.annotate(*what, owner=whose, links=addresses, note=words, by=who),
    )


def address(link: str, option: str = "--link") -> str:
    """A link as it is stored. SettingsError for what is no address."""
    shown = harmless(link.strip()) or ""
    if shown != link.strip() or not _ADDRESS.fullmatch(shown):
        raise SettingsError(
            f"{option}={link!r} is not usable: accepted is an address that begins with http:// or"
            " https://"
        )
    return shown


def name(owner: str | None) -> str | None:
    from tgt.output.safe import safe

    return None if owner is None else safe(owner.strip(), limit=_LONGEST_OWNER)

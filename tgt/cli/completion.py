"""What a shell is offered: tasks with their titles, and the words that options take.

A shell takes what it is offered for code or for a pattern, and titles quote telemetry. So a title
keeps letters, digits and a few signs that no shell knows, and a value that has others is left out.
A failure offers nothing: a prompt is no place to tell it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tgt.errors import TgtError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tgt.store.journal_index import View

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_TGT_COMPLETE"

_MOST = 50
_TITLE = 70
_HARMLESS = re.compile(r"[\w./@-]+", re.ASCII)
_CODE = re.compile(r"[^\w ./,%+-]+")
_MENU = "37"  # of bash's COMP_TYPE: candidates are inserted one after the other

Offer = list[tuple[str, str]]


def complete_task(context: typer.Context, incomplete: str) -> Offer:
    """Tasks, best first: by the ends of their ids, else by their beginnings or subjects. Those that
    are not open are offered to be reopened, or where no open one begins so."""
    are_open = context.info_name != "reopen"
    offered = _looked_up(
        context,
        lambda view: (
            _tasks(view, incomplete, are_open=are_open)
            or (_tasks(view, incomplete, are_open=not are_open) if incomplete else [])
        ),
    )
    if not os.environ.get(VARIABLE, "").endswith("bash") or os.environ.get("COMP_TYPE") == _MENU:
        return offered
    # Bash inserts what several candidates have in common, and shows the rest of them: the titles.
    return offered if len(offered) == 1 else [(f"{name}  {title}", "") for name, title in offered]


def complete_owner(context: typer.Context, incomplete: str) -> Offer:
    """Whoever has a task."""
    owners = _looked_up(
        context, lambda view: sorted({(head.owner, "") for head in view.heads.values()})
    )
    return [
        (name, "")
        for name, _ in owners
        if _HARMLESS.fullmatch(name) and name[0] != "-" and name.startswith(incomplete)
    ][:_MOST]


def complete_words(words: Iterable[str]) -> Callable[[str], list[str]]:
    """One of a few words."""
    choices = tuple(words)

    def complete(incomplete: str) -> list[str]:
        return [word for word in choices if word.startswith(incomplete.lower())]

    return complete


def complete_list(words: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """A comma-separated list of words, which are looked up when they are asked for."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        typed = before.split(",")
        rest = (word for word in words() if word not in typed)
        return [before + comma + word for word in rest if word.startswith(last.lower())]

    return complete


def complete_types(context: typer.Context, incomplete: str) -> list[str]:
    """A comma-separated list of types and analyzers, and of the rules that have tasks."""
    from tgt.rules.rule import WORD

    words = _looked_up(
        context,
        lambda view: sorted({(head.analyzer, "") for head in view.heads.values()}),
    )
    rules = [n for n, _ in words if n.startswith(f"{WORD}/") and _HARMLESS.fullmatch(n)]
    return complete_list(lambda: (*types(), *rules))(incomplete)


def statuses() -> Sequence[str]:
    from tgt.tasks.card import OPEN, Status

    return (OPEN, *map(str, Status))


def severities() -> Sequence[str]:
    from tgt.tasks.card import Severity

    return [*map(str, Severity)]


def types() -> Sequence[str]:
    from tgt.tasks.card import TaskType

    return tuple(dict.fromkeys((*map(str, TaskType), *analyzers())))  # several have one name


def analyzers() -> Sequence[str]:
    from tgt.plugins import ANALYZERS, BUILT_IN

    return tuple(BUILT_IN[ANALYZERS])


def choices_of_analyzers() -> Sequence[str]:
    """What ``--analyzers`` takes: of rules all take part, or none."""
    from tgt.rules.rule import WORD

    return (*analyzers(), WORD)


def kinds_of_source() -> Sequence[str]:
    from tgt.sources.spec import KINDS

    return KINDS


def _looked_up(context: typer.Context, look: Callable[[View], Offer]) -> Offer:
    from tgt.store.journal import Journal
    from tgt.store.journal_index import viewed

    try:
        return viewed(Journal(_tasks_dir(context)), look)
    except TgtError:
        return []


def _tasks_dir(context: typer.Context) -> Path:
    from tgt.cli import plain_settings

    env_file = context.params.get("env_file") or context.find_root().params.get("env_file")
    alone = None if env_file else plain_settings.tasks_directory()
    if alone is not None:
        return alone
    from tgt import config  # most commands need one setting

    return config.load(env_file=Path(env_file) if env_file else None).tasks_dir


def _tasks(view: View, incomplete: str, *, are_open: bool) -> Offer:
    from tgt.tasks.card import OPEN_STATUSES
    from tgt.tasks.reference import Ids

    heads = [head for head in view.heads.values() if (head.status in OPEN_STATUSES) is are_open]
    heads.sort(key=lambda head: head.sort_key)
    ids, wanted = Ids(view.heads), incomplete.upper()
    named = (
        [(ids.short(head.id), head) for head in heads],
        [(head.id, head) for head in heads],
        [(head.subject, head) for head in heads if are_open],
    )
    for names in named:
        fitting = [
            (incomplete + name[len(incomplete) :], head)
            for name, head in names
            if name.upper().startswith(wanted) and _HARMLESS.fullmatch(name) and name[0] != "-"
        ]
        if fitting:
            shown = [(name, view.card(head)) for name, head in fitting[:_MOST]]
            return [(name, _described(card.severity, card.title)) for name, card in shown]
    return []


def _described(severity: str, title: str) -> str:
    words = " ".join(_CODE.sub(" ", f"{severity} {title}").split())
    return words if len(words) <= _TITLE else words[:_TITLE].rstrip() + ".."


# --- the options of the root ---------------------------------------------------------------------


def prepare() -> None:
    """Where a shell asks, the parser must know what shells there are."""
    if VARIABLE in os.environ:
        from typer import completion as own

        own.completion_init()  # type: ignore[attr-defined] # from a private module


def with_shell(words: list[str]) -> list[str]:
    """The words with the shell in use after an option of completion that names none."""
    filled = []
    for word, following in zip(words, [*words, "-"][1:], strict=True):
        filled.append(word)
        if word in {"--install-completion", "--show-completion"} and following.startswith("-"):
            filled.append(_shell_in_use())
    return filled


def _shell_in_use() -> str:
    import shellingham  # type: ignore[import-untyped]  # comes with typer

    try:
        return str(shellingham.detect_shell()[0])
    except shellingham.ShellDetectionFailure:
        return Path(os.environ.get("SHELL", "")).name


def install(shell: str) -> str:
    """Make the shell complete ``tgt`` from its next start on; the place is returned."""
    from typer import completion as own

    try:
        _, place = own.install(shell=shell, prog_name="tgt", complete_var=VARIABLE)  # type: ignore[attr-defined] # from a private module
        if shell == "bash":
            place.write_text(_with_type(place.read_text(encoding="utf-8")), encoding="utf-8")
    except (OSError, UnicodeError) as problem:
        raise TgtError(
            f"cannot install the completion of {shell}: {problem}",
            hint="put what --show-completion prints where your shell reads it",
        ) from None
    return str(place)


def script(shell: str) -> str:
    from typer import completion as own

    text = own.get_completion_script(prog_name="tgt", complete_var=VARIABLE, shell=shell)  # type: ignore[attr-defined] # from a private module
    return (_with_type(text) if shell == "bash" else text) + "\n"


def _with_type(text: str) -> str:
    """Bash's script with the kind of completion, so that no title is ever inserted."""
    return text.replace(
        "COMP_CWORD=$COMP_CWORD", "COMP_CWORD=$COMP_CWORD COMP_TYPE=$COMP_TYPE"
    ).replace("    return 0", "    compopt -o nosort 2>/dev/null\n    return 0")

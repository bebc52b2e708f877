"""The command ``tgt``: one file per command, which parses, calls the core and hands on results."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tgt import __version__, diagnostics
from tgt.cli import completion
from tgt.cli.lazy import LazyGroup
from tgt.cli.request import EnvFile, Json, NoColor, Now, Request, parse_choice
from tgt.errors import NotFoundError, TgtError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Base of every complaint of the argument parser, wherever this version of typer keeps it.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def command_line() -> Any:
    """The parser of ``tgt``; its commands are loaded when they are asked for."""
    app = typer.Typer(
        name="tgt",
        cls=LazyGroup,
        help="Turns what LLM agents log into a short list of task cards.",
        epilog="Options of every command: --json, --now, --env-file, --no-color.",
        rich_markup_mode=None,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback(invoke_without_command=True)(_root)
    return typer.main.get_command(app)


def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    json: Json = False,
    now: Now = None,
    env_file: EnvFile = None,
    no_color: NoColor = False,
    install_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]",
            help="Complete tgt in bash, zsh or fish (default: this one).",
            autocompletion=completion.complete_words(completion.SHELLS),
        ),
    ] = None,
    show_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]",
            help="Show what would be installed, to put it elsewhere.",
            autocompletion=completion.complete_words(completion.SHELLS),
        ),
    ] = None,
) -> None:
    request: Request = context.obj
    request.take(json=json, now=now, env_file=env_file, no_color=no_color)
    if install_completion is not None:
        shell = parse_choice("--install-completion", install_completion, completion.SHELLS)
        place = completion.install(shell)
        request.reply(f"{shell} completes tgt from its next start on, by {place}\n")
        raise typer.Exit
    if show_completion is not None:
        shell = parse_choice("--show-completion", show_completion, completion.SHELLS)
        request.reply(completion.script(shell))
        raise typer.Exit
    if version:
        if request.json:
            request.reply_json({"version": __version__})
        else:
            request.reply(f"tgt {__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        if request.json:
            context.fail("A command is missing")
        request.reply(context.get_help() + "\n")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    diagnostics.claim_streams()
    request = Request(json=_asks_for_json(words))
    completion.prepare()

    def act() -> int:
        status = command_line().main(
            completion.with_shell(words), "tgt", standalone_mode=False, obj=request
        )
        if status == diagnostics.INTERRUPTED:
            raise KeyboardInterrupt  # which the parser has made a status
        diagnostics.write_output(request.answer)
        return int(status or 0)

    def write_failure(message: str, problem: TgtError | None) -> None:
        if request.json:
            document = request.failure(message) | _candidates(problem)
            diagnostics.write_error_document(document)

    status = diagnostics.boundary(act, _USAGE_ERROR, write_failure, _saved)
    # The process ends: looking for garbage once more would take a tenth of a small command's time.
    # The engine's library would take what is not looked at for leaks, and say so.
    if "duckdb" not in sys.modules:
        gc.freeze()
    sys.exit(status)


def _candidates(problem: TgtError | None) -> dict[str, Any]:
    """What the JSON form of a failure says of the tasks that may have been meant."""
    if not isinstance(problem, NotFoundError) or not problem.candidates:
        return {}
    return {
        "candidates": [candidate.id for candidate in problem.candidates],
        "candidateTitles": [candidate.title for candidate in problem.candidates],
        "moreCandidates": problem.more,
    }


def _saved() -> int:
    """How many tasks this process has saved, if it came that far."""
    store = sys.modules.get("tgt.store.journal")
    return len(store.saved_ids) if store is not None else 0


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options, also where they cannot be parsed."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options

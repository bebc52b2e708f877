"""The command ``tgt``: one file per command, which parses, calls the core and hands on results."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from tgt import __version__, diagnostics
from tgt.cli.lazy import LazyGroup
from tgt.cli.request import EnvFile, Json, NoColor, Now, Request

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
) -> None:
    request: Request = context.obj
    request.take(json=json, now=now, env_file=env_file, no_color=no_color)
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

    def act() -> int:
        status = command_line().main(words, "tgt", standalone_mode=False, obj=request)
        diagnostics.write_output(request.answer)
        return int(status or 0)

    def write_failure(message: str, candidates: tuple[str, ...]) -> None:
        if request.json:
            document = request.failure(message)
            if candidates:
                document["candidates"] = list(candidates)
            diagnostics.write_error_document(document)

    status = diagnostics.boundary(act, _USAGE_ERROR, write_failure)
    # The process ends: looking for garbage once more would take a tenth of a small command's time.
    # The engine's library would take what is not looked at for leaks, and say so.
    if "duckdb" not in sys.modules:
        gc.freeze()
    sys.exit(status)


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether ``--json`` is among the options, also where they cannot be parsed."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options

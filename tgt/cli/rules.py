"""``tgt rules``: the rules of one's own, whether they are understood, and what they would find."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_words
from tgt.cli.request import parse_choice
from tgt.cli.telemetry import OPTIONS, Source, instant
from tgt.errors import ExitStatus, SettingsError

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.rules.reading import RulesFile

LIST, CHECK, TEST = "list", "check", "test"
_SINCE = "14d"


def rules(
    request: Request,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[check|test]",
            help="Check them, with lines and reasons, or test them on past telemetry.",
            autocompletion=complete_words((CHECK, TEST)),
        ),
    ] = None,
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help=f"For test: how far back, or an instant ({_SINCE})."
        ),
    ] = None,
    source: Source = None,
) -> ExitStatus:
    """Show the rules of your own, check them, or test them.

    A test replays past runs with the rules alone: what they would have found, and when. Nothing is
    written. Exit status 2 when a rule is not understood.
    """
    from tgt import config

    part = parse_choice("WHAT", what, (LIST, CHECK, TEST)) if what else LIST
    if part != TEST and (since or source):
        raise SettingsError(f"{'--since' if since else '--source'} goes with tgt rules test")
    file = config.rules_in_force(request.env_file)
    if part == TEST and file is not None and file.entries:
        return _tested(request, file, since or _SINCE, source)
    if request.json:
        from tgt.output import rules_document

        request.reply_json(rules_document.document(file))
    else:
        from tgt.output import rules_view

        request.reply(rules_view.rules(request.screen, file, in_full=part == CHECK))
    return ExitStatus.USAGE if file is not None and file.refusal else ExitStatus.OK


def _tested(request: Request, file: RulesFile, since: str, source: str | None) -> ExitStatus:
    first = instant(since, request.now)
    settings = request.settings({"TASKGEN_SOURCE": source, "TASKGEN_ANALYZERS": "rules"}, OPTIONS)
    from tgt import backtest, diagnostics
    from tgt.output import progress

    every = timedelta(minutes=settings.interval_min)
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        (replay,) = backtest.replay([settings], first, request.now, every, progress=show)
    for warning in replay.warnings:
        diagnostics.warn(warning)
    if request.json:
        from tgt.output import machine, rules_document

        document = rules_document.document(file, replay)
        request.reply_json({**document, **machine.backtest(replay, every, {}, None)})
    else:
        from tgt.output import backtest_view, rules_view

        request.reply(rules_view.replayed(request.screen, file, replay))
        request.reply("\n", backtest_view.backtest(request.screen, replay, every, {}, None))
    return ExitStatus.DEGRADED if replay.warnings else ExitStatus.OK

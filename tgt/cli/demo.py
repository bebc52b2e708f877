"""``tgt demo``: the real cycle on a week of synthetic telemetry with known faults."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tgt.cli.completion import complete_words
from tgt.cli.request import parse_number
from tgt.errors import ExitStatus, SettingsError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgt.cli.request import Request
    from tgt.config import Settings
    from tgt.demo import Demo, Planted
    from tgt.outcome import RunReport
    from tgt.tasks.card import Card

_MOST_SEEDS = 1 << 31
_KINDS = ("contextlog", "claude-code")


def demo(
    request: Request,
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="KIND",
            help="contextlog: a service's week; claude-code: a person's two weeks of sessions.",
            autocompletion=complete_words(_KINDS),
        ),
    ] = "contextlog",
    seed: Annotated[str, typer.Option(metavar="N", help="Another seed, another week.")] = "1",
    keep: Annotated[
        bool, typer.Option("--keep/--remove", help="Whether the directory stays to be looked at.")
    ] = True,
) -> ExitStatus:
    """Run a real cycle on synthetic telemetry with known faults.

    Works in a temporary directory with settings of its own; your telemetry and tasks are neither
    read nor changed.
    """
    number = int(parse_number("--seed", seed, 0, _MOST_SEEDS))
    if kind not in _KINDS:
        raise SettingsError(f"--as {kind} is not usable: accepted are {' and '.join(_KINDS)}")
    directory = _directory()
    done = False
    try:
        status = _run(request, directory, kind, number, keep=keep)
        done = True
    finally:
        if not (keep and done):
            shutil.rmtree(directory, ignore_errors=True)
    return status


def _directory() -> Path:
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix="tgt-demo-"))
    except OSError as problem:
        raise _unwritable(problem, tempfile.gettempdir()) from None


def _unwritable(problem: OSError, place: str | Path) -> StoreError:
    return StoreError(
        f"cannot write the demo below {place}: {problem.strerror}",
        hint="it needs about 20 MB; set TMPDIR to another directory",
    )


def _run(request: Request, directory: Path, kind: str, seed: int, *, keep: bool) -> ExitStatus:
    from tgt import config, cycle, diagnostics
    from tgt import demo as service
    from tgt import demo_sessions as sessions
    from tgt.output import progress
    from tgt.store.journal import Journal
    from tgt.tasks.card import sort_key

    writers = dict(zip(_KINDS, (service.write, sessions.write), strict=True))
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        if show is not None:
            show("writing telemetry", None)
        try:
            week = writers[kind](directory, request.now, seed)
        except OSError as problem:
            raise _unwritable(problem, directory) from None
        settings = config.load(environ={}, env_file=week.env_file)
        report = cycle.run(settings, request.now, progress=show)
        # What is derived takes as much room again, and the next run makes it anew in a moment.
        shutil.rmtree(settings.tasks_dir / "cache", ignore_errors=True)
    for warning in (*report.warnings, *report.notices):
        diagnostics.warn(warning)
    cards = Journal(settings.tasks_dir).read().cards
    cards_by_fault = {
        fault: next((c for c in cards.values() if (c.type, c.subject) == fault.what), None)
        for fault in week.planted
    }
    if request.json:
        request.reply_json(_document(week, seed, report, cards_by_fault, keep=keep))
    else:
        from tgt.output import demo_view

        request.reply(
            demo_view.demo(
                request.screen,
                week,
                report,
                cards_by_fault=cards_by_fault,
                tasks=sorted(cards.values(), key=sort_key),
                kept=keep,
                overridden=_overridden(week, settings),
            )
        )
    return ExitStatus.DEGRADED if report.degraded else ExitStatus.OK


def _overridden(week: Demo, settings: Settings) -> bool:
    """Whether the environment would change the demo's settings for later commands."""
    from tgt import config

    try:
        return config.load(env_file=week.env_file) != settings
    except SettingsError:
        return True


def _document(
    week: Demo,
    seed: int,
    report: RunReport,
    cards_by_fault: Mapping[Planted, Card | None],
    *,
    keep: bool,
) -> dict[str, Any]:
    from tgt.output import machine
    from tgt.tasks.card import format_time

    return {
        "demo": {
            "directory": str(week.directory),
            "envFile": str(week.env_file),
            "kept": keep,
            "seed": seed,
            "now": format_time(week.now),
            "records": week.lines,
            "files": week.files,
            "planted": [
                {
                    "type": fault.type,
                    "subject": fault.subject,
                    "since": format_time(fault.since),
                    "description": fault.text,
                    "task": card.id if card is not None else None,
                }
                for fault, card in cards_by_fault.items()
            ],
            **machine.run(report),
        }
    }

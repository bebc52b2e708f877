"""``tgt backtest``: what tgt would have done over past telemetry, also with other settings."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.request import parse_now
from tgt.cli.telemetry import OPTIONS, Source, Window
from tgt.cli.telemetry import chosen as telemetry
from tgt.durations import parse_duration
from tgt.errors import ExitStatus, SettingsError
from tgt.tasks.card import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tgt.cli.request import Request

_SHORTEST = timedelta(minutes=1)


def backtest(
    request: Request,
    *,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="How far back, such as 14d, or an instant."),
    ] = "14d",
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The instant of the last run (default: now)."),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From run to run (TASKGEN_INTERVAL_MIN, default 15m)."),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Replay with another setting; may be repeated."
        ),
    ] = None,
    source: Source = None,
    window: Window = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="What --set would gain, lose or move.")
    ] = False,
) -> ExitStatus:
    """Replay past runs: what would have become a task, and when.

    Every run is judged as it would have been then, with a memory of its own; nothing is written.
    A problem that was not seen for a day is taken as solved.
    """
    from tgt import backtest as core
    from tgt import diagnostics
    from tgt.output import machine, progress

    chosen = core.varied(_assignments(changes or ()))
    if diff and not chosen:
        raise SettingsError("--diff is not usable alone: name other settings with --set NAME=VALUE")
    last = _until(until, request.now)
    first = _since(since, last)
    options = telemetry(source, window, None, request.now)
    present = request.settings(options, OPTIONS)
    step = parse_duration(every, "--every") if every else timedelta(minutes=present.interval_min)
    if step < _SHORTEST:
        raise SettingsError(f"--every={every!r} is not usable: accepted is 1m or longer")
    settings = request.settings({**options, **chosen}, _not_set(chosen)) if chosen else present
    variants = [settings, present] if diff else [settings]
    with progress.display(no_color=request.no_color, quiet=request.json) as show:
        replays = core.replay(variants, first, last, step, progress=show)
    replay = replays[0]
    for warning in dict.fromkeys(w for each in replays for w in each.warnings):
        diagnostics.warn(warning)
    moved = core.compare(replays[1], replay) if diff else None
    if request.json:
        request.reply_json(machine.backtest(replay, step, chosen, moved))
    else:
        from tgt.output import backtest_view

        request.reply(backtest_view.backtest(request.screen, replay, step, chosen, moved))
    return ExitStatus.DEGRADED if replay.warnings else ExitStatus.OK


def _not_set(chosen: Mapping[str, str]) -> dict[str, str]:
    """The options, without those whose settings ``--set`` names."""
    return {name: option for name, option in OPTIONS.items() if name not in chosen}


def _assignments(words: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not value:
            raise SettingsError(
                f"--set={word!r} is not usable: accepted is NAME=VALUE, such as"
                " TASKGEN_MIN_CONFIDENCE=0.8"
            )
        chosen[name.strip()] = value.strip()
    return chosen


def _until(text: str | None, now: datetime) -> datetime:
    if text is None:
        return now
    last = parse_now(text, "--until")
    if last > now:
        raise SettingsError(f"--until={text!r} is not usable: it has not come yet")
    return last


def _since(text: str, until: datetime) -> datetime:
    if parse_time(text.strip()) is None:
        return until - parse_duration(text, "--since")
    first = parse_now(text, "--since")
    if first >= until:
        raise SettingsError(f"--since={text!r} is not usable: it must lie before the last run")
    return first

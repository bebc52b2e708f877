"""Which telemetry, and how much of it: options of every command that reads some."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_list, kinds_of_source
from tgt.cli.request import parse_now
from tgt.errors import SettingsError
from tgt.tasks.card import parse_time

if TYPE_CHECKING:
    from datetime import datetime

    from tgt.settings import Settings

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="KIND:PLACE,…",
        help="Telemetry to read (TASKGEN_SOURCE).",
        autocompletion=complete_list(kinds_of_source),
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LENGTH",
        help="Minutes, or a length such as 2h or 7d (TASKGEN_WINDOW_MIN, default 60).",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="How far back, such as 7d, or an instant."),
]
OPTIONS = {"TASKGEN_SOURCE": "--source", "TASKGEN_WINDOW_MIN": "--window"}
"""The options by the settings that they stand for, so that a bad value blames the option."""

_LONGEST, _DIGITS = 10080, 9


def chosen(
    source: str | None, window: str | None, since: str | None, now: datetime
) -> dict[str, str | None]:
    """The settings that the options stand for, by variable. Raises SettingsError."""
    if window is not None and since is not None:
        raise SettingsError("--window and --since are two ways to say the same: give one of them")
    minutes = None
    if window is not None:
        minutes = _minutes(window, "--window")
    elif since is not None:
        minutes = _checked(math.ceil((now - instant(since, now)) / timedelta(minutes=1)))
        if minutes is None:
            raise SettingsError(
                f"--since={since!r} is not usable: accepted is a time of the last 7 days, as an"
                " instant or as a length such as 2h"
            )
    return {"TASKGEN_SOURCE": source, "TASKGEN_WINDOW_MIN": minutes}


def beginning(
    window: str | None, since: str | None, settings: Settings, now: datetime
) -> datetime | None:
    """Where the telemetry that is looked at begins; None where no option says so."""
    if since is not None:
        return instant(since, now)
    return now - timedelta(minutes=settings.window_min) if window is not None else None


def instant(text: str, now: datetime, option: str = "--since") -> datetime:
    """A time in the past, given as an instant or as a length before ``now``. SettingsError."""
    from tgt.durations import parse_duration

    if parse_time(text.strip()) is None:
        return now - parse_duration(text, option)
    first = parse_now(text, option)
    if first >= now:
        raise SettingsError(f"{option}={text!r} is not usable: it must lie in the past")
    return first


def _minutes(text: str, option: str) -> str:
    """The minutes of a number or of a length. SettingsError."""
    word = text.strip()
    try:
        if word[-1:].isalpha():
            from tgt.durations import parse_duration

            minutes = math.ceil(parse_duration(word, option) / timedelta(minutes=1))
        else:
            minutes = int(word) if word.isascii() and word.isdigit() and len(word) < _DIGITS else 0
        checked = _checked(minutes)
    except SettingsError:
        checked = None
    if checked is None:
        raise SettingsError(
            f"{option}={text!r} is not usable: accepted is a whole number of minutes from 1 to"
            f" {_LONGEST}, or a length such as 2h or 7d, at most 7d"
        )
    return checked


def _checked(minutes: int) -> str | None:
    return str(minutes) if 1 <= minutes <= _LONGEST else None

"""What every command is given: the options that all of them take, and a place for the answer.

The shared options may stand before or after the command, so they are declared once and added to
each command's own. A command answers by ``reply``; nothing is written before it has succeeded, so
that standard output never holds half an answer.
"""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from tgt import diagnostics
from tgt.errors import ExitStatus, SettingsError
from tgt.tasks.card import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tgt.config import Settings
    from tgt.output.run_health import Cadence
    from tgt.output.text import Screen
    from tgt.store.journal import Journal
    from tgt.store.journal_index import View
    from tgt.store.state_file import Sidecar
    from tgt.tasks.reputation import Reputation

_YEARS = (2000, 2199)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours, also on a terminal.")]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="Act as of this instant: ISO 8601, UTC if no offset (default: the clock).",
    ),
]
EnvFile = Annotated[
    str | None,
    typer.Option(
        "--env-file",
        metavar="PATH",
        help="Settings file (default: ./.env, else ~/.config/tgt/tgt.env, else /etc/tgt/tgt.env).",
    ),
]
SHARED: dict[str, tuple[Any, Any]] = {
    "json": (Json, False),
    "now": (Now, None),
    "env_file": (EnvFile, None),
    "no_color": (NoColor, False),
}


@dataclass
class Request:
    """One invocation. ``failure`` shapes the JSON document of an error, should one occur."""

    json: bool = False
    no_color: bool = False
    now_option: datetime | None = None
    env_file: Path | None = None
    answer: list[str] = field(default_factory=list)
    _clock: datetime | None = None
    _settings: Settings | None = None
    _warned: bool = False
    failure: Callable[[str], dict[str, Any]] = field(default=lambda message: {"error": message})

    def take(self, *, json: bool, now: str | None, env_file: str | None, no_color: bool) -> None:
        """Merge shared options; those that stand later win. Raises SettingsError."""
        self.json = self.json or json
        self.no_color = self.no_color or no_color
        self.now_option = parse_now(now) if now is not None else self.now_option
        self.env_file = Path(env_file) if env_file is not None else self.env_file

    @property
    def now(self) -> datetime:
        """The instant to act as of: ``--now``, else the clock, read once."""
        if self.now_option is not None:
            return self.now_option
        if self._clock is None:
            self._clock = datetime.now(timezone.utc)
        return self._clock

    @property
    def screen(self) -> Screen:
        """The measures of standard output."""
        from tgt.output.text import screen

        return screen(no_color=self.no_color)

    def settings(
        self,
        overrides: Mapping[str, Any] | None = None,
        options: Mapping[str, str] | None = None,
    ) -> Settings:
        """The effective settings; a warning names what looks like a misspelled setting.

        ``options`` are the options whose values the overrides are, by variable: a bad one is
        refused under the name by which it was given.
        """
        from tgt import config

        values = {name: value for name, value in (overrides or {}).items() if value is not None}
        if self._settings is not None and not values:
            return self._settings
        try:
            settings = config.load(values, env_file=self.env_file)
        except SettingsError as problem:
            named = {name: option for name, option in (options or {}).items() if name in values}
            raise SettingsError(_by_options(problem.message, named), hint=problem.hint) from None
        if not values:
            self._settings = settings
        if not self._warned:
            self._warned = True
            names = config.names(self.env_file)
            for name, meant in config.misspelled(names, settings.analyzers).items():
                hint = f"; did you mean {meant}?" if meant else ""
                diagnostics.warn(f"{name} is not a setting of tgt{hint}")
        return settings

    @property
    def tasks_dir(self) -> Path:
        """The task directory; the other settings are looked at only if there are any."""
        from tgt.cli import plain_settings

        alone = plain_settings.tasks_directory() if self.env_file is None else None
        return self.settings().tasks_dir if alone is None else alone

    @property
    def cadence(self) -> Cadence:
        """How often runs are meant to happen, looked up as the task directory is."""
        from tgt import environment
        from tgt.cli import plain_settings
        from tgt.output.run_health import Cadence

        if self.env_file is None and plain_settings.tasks_directory() is not None:
            return Cadence(environment.INTERVAL_MIN, enabled=True)
        return Cadence(self.settings().interval_min, self.settings().enabled)

    def reputation(self, view: View) -> Reputation:
        """What people made of the cards, which lowers the priority of some; the setting that ends
        that is looked up as the task directory is."""
        from tgt.cli import plain_settings
        from tgt.store.journal_index import reputation
        from tgt.tasks.reputation import NOTHING

        is_plain = self.env_file is None and plain_settings.tasks_directory() is not None
        return reputation(view, self.now) if is_plain or self.settings().reputation else NOTHING

    def journal(self) -> Journal:
        from tgt.store.journal import Journal

        return Journal(self.tasks_dir)

    def sidecar(self) -> Sidecar:
        from tgt.store.state_file import Sidecar

        return Sidecar(self.tasks_dir)

    def reply(self, *pieces: str) -> None:
        self.answer += pieces

    def reply_json(self, document: Mapping[str, Any]) -> None:
        from tgt.output.machine import dumps

        self.reply(dumps(document))


def _by_options(message: str, options: Mapping[str, str]) -> str:
    for variable, option in options.items():
        message = re.sub(rf"(^|; ){variable}=", rf"\1{option}=", message)
    return message


def parse_now(text: str, option: str = "--now") -> datetime:
    """The value of ``--now``, or of another option that is an instant. Raises SettingsError."""
    moment = parse_time(text.strip())
    if moment is None or not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise SettingsError(
            f"{option}={text!r} is not usable: accepted is an ISO 8601 time such as "
            f"2025-11-03T16:00:00Z, in the years {_YEARS[0]} to {_YEARS[1]}"
        )
    return moment


def parse_number(option: str, text: str, low: int, high: int, *, whole: bool = True) -> float:
    """The value of an option, a whole number if ``whole``. Raises SettingsError."""
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        kind = "a whole number" if whole else "a number"
        raise SettingsError(
            f"{option}={text!r} is not usable: accepted is {kind} from {low} to {high}"
        )
    return number


def parse_choice(option: str, text: str, accepted: Sequence[str]) -> str:
    """The value of an option that takes one of a few words, in either case. SettingsError."""
    word = text.strip().lower()
    if word not in accepted:
        raise SettingsError(
            f"{option}={text!r} is not usable: accepted is {', '.join(accepted[:-1])} or "
            f"{accepted[-1]}"
        )
    return word


def command(function: Callable[..., ExitStatus | None]) -> Callable[..., ExitStatus | None]:
    """Give a command the shared options; it receives them as its first argument, a Request."""
    hints = get_type_hints(function, localns={"Request": Request}, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter("context", kind, annotation=typer.Context),
        *(p.replace(kind=kind, annotation=hints[p.name]) for p in own),
        *(
            inspect.Parameter(name, kind, default=default, annotation=annotation)
            for name, (annotation, default) in SHARED.items()
        ),
    ]

    def invoke(*, context: typer.Context, **values: Any) -> ExitStatus | None:
        request = context.find_root().obj
        request.take(**{name: values.pop(name) for name in SHARED})
        return function(request, **values)

    invoke.__name__ = function.__name__
    invoke.__doc__ = function.__doc__
    invoke.__annotations__ = {p.name: p.annotation for p in parameters}
    invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    return invoke

"""What ``tgt init`` is about to do, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tgt import config
from tgt.errors import TelemetryError
from tgt.settings import Settings
from tgt.setup import settings_file
from tgt.setup.job import Job
from tgt.setup.programs import own_command
from tgt.setup.settings_file import Target
from tgt.setup.telemetry import Place, look, named
from tgt.sources.address import Address
from tgt.sources.registry import nothing_there, usual
from tgt.sources.spec import CONTEXTLOG

FIRST_LOOK = timedelta(days=7)
"""How far back the first run looks."""


@dataclass(frozen=True)
class Plan:
    """``settings`` are those that the file will have; ``text`` is empty where one is there."""

    telemetry: tuple[Place, ...]
    target: Target
    settings: Settings
    text: str = ""
    newest: datetime | None = field(default=None)

    @property
    def first_look(self) -> Settings:
        """The settings of the one run over the last week."""
        minutes = int(FIRST_LOOK.total_seconds() // 60)
        return self.settings.model_copy(update={"window_min": minutes})

    @property
    def job(self) -> Job:
        """What a scheduler runs from now on."""
        settings = self.settings
        tasks = settings.tasks_dir.absolute()
        named = [settings.tasks_dir, *(s.place for s in settings.source if s.place)]
        if any(place.spec.kind == CONTEXTLOG and not place.spec.place for place in self.telemetry):
            named.append(settings.contextlog_dir)
        return Job(
            command=own_command(),
            env_file=self.target.path,
            directory=tasks if all(path.is_absolute() for path in named) else Path.cwd(),
            minutes=settings.interval_min,
            writes=tasks,
            reads=tuple(p.directory for p in self.telemetry if p.spec.address is None),
            connects=self.server is not None,
        )

    @property
    def server(self) -> Address | None:
        """What runs connect to."""
        addresses = (place.spec.address for place in self.telemetry)
        return next((each for each in addresses if each and not each.is_embedded), None)

    @property
    def lacks_password(self) -> bool:
        """Whether there is one that the settings file does not have, and so no timer."""
        password = self.settings.clickhouse_password.text
        return bool(self.text and password and self.server is not None)


def planned(source: str | None, env_file: Path | None, now: datetime, *, here: bool) -> Plan:
    """The telemetry that is named, or else the one that there is, and the settings for it.

    Raises TelemetryError if there is none, and SettingsError for what cannot be used.
    """
    target = settings_file.target(env_file, here=here)
    read = target.path if target.exists else None
    settings = config.load({"TASKGEN_SOURCE": source}, env_file=read)
    specs = settings.source or usual(settings.contextlog_dir)
    if not specs:
        raise nothing_there(settings.contextlog_dir)
    places = look(specs, settings)
    newest = max((place.newest for place in places if place.newest), default=None)
    if target.exists:
        return Plan(places, target, settings, newest=newest)
    chosen = tuple(named(places, all_of_them=bool(settings.source)))
    if not chosen:
        looked = ", ".join(dict.fromkeys(place.directory for place in places))
        raise TelemetryError(
            f"there is no telemetry yet in {looked}",
            hint="let the agent work once, or name other telemetry with --source",
        )
    if all(place.problem for place in places):
        raise TelemetryError(
            "; ".join(dict.fromkeys(place.problem for place in places)),
            hint="name telemetry that is there with --source",
        )
    values = settings_file.values(chosen, settings, here=here)
    written = config.load(values, env_file=None)
    return Plan(places, target, written, settings_file.text(values, now), newest)

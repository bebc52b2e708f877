"""The settings file that ``tgt init`` writes: few lines, each with its reason."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tgt import config
from tgt.environment import TASKS_DIR, settings_files
from tgt.errors import StoreError
from tgt.settings import Settings
from tgt.sources.spec import CONTEXTLOG, Spec
from tgt.store import fsio
from tgt.store.journal import Journal

_PLAIN = re.compile(r"[\w./,:+@%?=&~-]+")
_COMMENTS = {
    "TASKGEN_SOURCE": "Where telemetry is read. Without this line: every agent that there is.",
    "FGK_CONTEXTLOG_DIR": "The directory of the ContextLog, which is only read.",
    "FGK_TASKS_DIR": "Where the tasks are kept, and what tgt remembers from run to run.",
}
_SERVER = "clickhouse:http"
_PASSWORD = (
    "# The password of that user, who may only read; nobody but this account reads this file.",
    "# TASKGEN_CLICKHOUSE_PASSWORD=",
)
"""What is known of it is not written: whoever has it in the environment alone may want it so."""


@dataclass(frozen=True)
class Target:
    """The settings file: the one that is in force already, or the one to be written.

    ``shadowed_by`` is another file that comes first in this directory.
    """

    path: Path
    exists: bool = False
    shadowed_by: Path | None = None


def target(env_file: Path | None, *, here: bool) -> Target:
    """Which file it is. One of another program's in this directory is none of tgt's."""
    if env_file is not None or here:
        path = (env_file or Path(settings_files()[0])).absolute()
        return Target(path, os.path.lexists(path))
    places = settings_files()
    there = next((place for place in places if place.is_file()), None)
    if there is not None and config.in_file(there):
        return Target(there.absolute(), exists=True)
    account = places[1].absolute()
    shadow = there if there is not None and there.absolute() != account else None
    return Target(account, os.path.lexists(account), shadow)


def values(sources: Iterable[Spec], settings: Settings, *, here: bool) -> dict[str, str]:
    """What to write: the telemetry, and a task directory that is the same wherever tgt is called.

    ``settings`` are those of now: what they name stays where it is.
    """
    chosen = tuple(sources)
    settings_written = {"TASKGEN_SOURCE": ",".join(map(str, chosen))}
    if any(spec.kind == CONTEXTLOG and spec.place is None for spec in chosen):
        settings_written["FGK_CONTEXTLOG_DIR"] = str(settings.contextlog_dir.absolute())
    tasks = settings.tasks_dir
    if tasks == Path(TASKS_DIR) and not here and not Journal(tasks).path.exists():
        tasks = _state_home() / "tgt"
    return settings_written | {"FGK_TASKS_DIR": str(tasks.absolute())}


def _state_home() -> Path:
    # https://specifications.freedesktop.org/basedir-spec/latest/
    home = os.environ.get("XDG_STATE_HOME", "")
    return Path(home if os.path.isabs(home) else "~/.local/state").expanduser()  # noqa: PTH117 text


def text(values: Mapping[str, str], now: datetime) -> str:
    """The file: a setting a paragraph."""
    lines = [
        f"# Settings of tgt, written by tgt init on {now:%Y-%m-%d}. Comments have their own lines.",
        "# tgt config shows all settings there are, and where each value comes from.",
    ]
    for name, value in values.items():
        lines += ["", f"# {_COMMENTS[name]}", f"{name}={_written(value)}"]
        if value.startswith(_SERVER):
            lines += ["", *_PASSWORD]
    return "\n".join(lines) + "\n"


def _written(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def write(path: Path, content: str, tasks: Path) -> None:
    """Put the file there, whole and private, once the tasks have a place: one without the other is
    of no use. Raises StoreError, also if there is a file already; nothing is left then."""
    if os.path.lexists(path):
        raise StoreError(f"{path} is there already", hint="it is not overwritten")
    missing = [place for place in (tasks, *tasks.parents) if not os.path.lexists(place)]
    fsio.ensure_directory(tasks)
    try:
        fsio.ensure_directory(path.parent)
        fsio.replace(path, [content.encode()])
    except BaseException as failure:
        for place in missing:
            with contextlib.suppress(OSError):
                place.rmdir()
        if not isinstance(failure, StoreError):
            raise
        hint = "name another place for the settings with --env-file PATH"
        raise StoreError(failure.message, hint=hint) from failure

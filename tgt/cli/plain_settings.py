"""Where the tasks lie when nothing else is set: told without a validation library.

Commands that only look at cards need this one setting, and most of their time would go into
loading what checks all of them. Whatever is set beyond the two directories and the sources, or in
another form than ``tgt init`` writes, makes this answer nothing, and ``tgt.config`` decides, with
the same values and the same errors for everybody.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from tgt.environment import TASKS_DIR, settings_files

_DIRECTORIES = ("FGK_CONTEXTLOG_DIR", "FGK_TASKS_DIR")
_PLAIN_LINE = re.compile(r"(FGK_CONTEXTLOG_DIR|FGK_TASKS_DIR|TASKGEN_SOURCE)=([\w./,:+@%?=&-]+)")
_MOST = 1 << 14


def tasks_directory() -> Path | None:
    """``FGK_TASKS_DIR`` or its default; None where more is set than can be told without a check."""
    if any(name.startswith("TASKGEN_") for name in os.environ):
        return None
    values = _in_settings_file()
    if values is None:
        return None
    contextlog, tasks = (os.environ.get(name) or values.get(name, "") for name in _DIRECTORIES)
    if any(value and (not value.strip() or value.startswith("~")) for value in (contextlog, tasks)):
        return None  # to be refused, or to be looked up
    return Path(tasks.strip() or TASKS_DIR)


def _in_settings_file() -> dict[str, str] | None:
    """What the settings file says; None where not every line of it is of the plainest form."""
    place = next(filter(os.path.lexists, settings_files()), None)
    if place is None:
        return {}
    if not place.is_file():
        return None
    try:
        with place.open(encoding="utf-8", newline="") as stream:
            text = stream.read(_MOST)
    except (OSError, UnicodeDecodeError):
        return None
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    matches = [_PLAIN_LINE.fullmatch(line) for line in lines]
    if len(text) == _MOST or None in matches:
        return None
    values = {match[1]: match[2] for match in matches if match}
    return values if _names_sources(values.pop("TASKGEN_SOURCE", "")) else None


def _names_sources(value: str) -> bool:
    """Whether this is a usable value of TASKGEN_SOURCE, or none."""
    from tgt.sources import spec

    try:
        return not value or bool(spec.parse(value))
    except ValueError:
        return False

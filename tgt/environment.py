"""Where the tasks lie when nothing else is set: told without a validation library.

Commands that only look at cards need this one setting, and most of their time would go into
loading what checks all of them. Whatever is set beyond the two directories makes this answer
nothing, and ``tgt.config`` decides, with the same values and the same errors for everybody.
"""

from __future__ import annotations

import os
from pathlib import Path

CONTEXTLOG_DIR = ".forgekeeper/context_log"
TASKS_DIR = ".forgekeeper/tasks"
INTERVAL_MIN = 15
SETTINGS_FILES = (".env", "$XDG_CONFIG_HOME/tgt/tgt.env", "/etc/tgt/tgt.env")
"""Where a settings file is looked for; the first that is there counts."""


def settings_files() -> list[Path]:
    """The places of ``SETTINGS_FILES`` for this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    named = (place.replace("$XDG_CONFIG_HOME", home) for place in SETTINGS_FILES)
    return [Path(os.path.expanduser(place)) for place in named]  # noqa: PTH111 never raises


def tasks_directory() -> Path | None:
    """``FGK_TASKS_DIR`` or its default; None where more than the directories is set."""
    if any(name.startswith("TASKGEN_") for name in os.environ):
        return None
    directories = [os.environ.get(name) or "-" for name in ("FGK_CONTEXTLOG_DIR", "FGK_TASKS_DIR")]
    if any(not value.strip() or value.startswith("~") for value in directories):
        return None  # to be refused, or to be looked up
    if any(os.path.lexists(place) for place in settings_files()):
        return None
    return Path((os.environ.get("FGK_TASKS_DIR") or TASKS_DIR).strip())

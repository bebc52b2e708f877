"""What settings are when nothing is set, and where they are looked for."""

from __future__ import annotations

import os
from pathlib import Path

CONTEXTLOG_DIR = ".forgekeeper/context_log"
TASKS_DIR = ".forgekeeper/tasks"
INTERVAL_MIN = 15
SETTINGS_FILES = (".env", "$XDG_CONFIG_HOME/tgt/tgt.env", "/etc/tgt/tgt.env")
"""Where a settings file is looked for; the first that is there counts."""
RULES_FILE = "rules.toml"
"""Beside the settings file: rules of one's own, where no other file is named."""


def settings_files() -> list[Path]:
    """The places of ``SETTINGS_FILES`` for this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    named = (place.replace("$XDG_CONFIG_HOME", home) for place in SETTINGS_FILES)
    return [Path(os.path.expanduser(place)) for place in named]  # noqa: PTH111 never raises

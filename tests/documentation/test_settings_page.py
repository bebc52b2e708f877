"""docs/settings.md has every setting with what the code says of it."""

from __future__ import annotations

from pages import Page

from tgt import config
from tgt.environment import SETTINGS_FILES
from tgt.errors import SettingsError

PAGE = Page("docs/settings.md")
WORDED = {"TASKGEN_REDACT_PATTERNS": "regular expressions that match at least 4 characters"}
"""Where a refusal says what is wrong with one value, and not what others may be."""


def accepted(variable: str) -> str:
    """What a refusal says; empty where everything is accepted."""
    try:
        config.load({variable: "\0"}, environ={})
    except SettingsError as refusal:
        return refusal.message.partition("accepted is ")[2]
    return ""


def test_the_settings() -> None:
    defaults = {v: config.default_text(v) for v in config.variables()}
    assert PAGE.table("settings") == [
        [
            f"`{v}`",
            f"`{default}`" if default else "",
            config.description(v),
            WORDED.get(v) or accepted(v),
        ]
        for v, default in defaults.items()
    ]


def test_where_a_settings_file_is_looked_for() -> None:
    first, second, third = SETTINGS_FILES
    told = f"`./{first}`, `{second}` (by default `~/.config/tgt/tgt.env`) and `{third}`"
    assert told in PAGE.section("Settings")

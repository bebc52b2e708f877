"""CHANGELOG.md knows the version that there is, and every command and analyzer."""

from __future__ import annotations

import re

from pages import COMMANDS, Page, coded

from tgt import __version__
from tgt.analyzers.registry import built_in

PAGE = Page("CHANGELOG.md")


def test_what_is_not_released_stands_above_the_version_that_there_is() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.text, re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_commands_and_analyzers_are_named() -> None:
    named = {word for code in coded(PAGE.text) for word in code.split()}
    assert set(COMMANDS) - named == set()
    assert {analyzer.name for analyzer in built_in()} - named == set()

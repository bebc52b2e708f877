"""docs/sources.md shows a line of a ContextLog that is understood as a whole."""

from __future__ import annotations

import json

from pages import Page

from tgt.sources.contextlog import COLUMNS

PAGE = Page("docs/sources.md")


def test_the_event_of_the_example_is_one_that_is_understood() -> None:
    assert set(json.loads(PAGE.block("contextlog-line"))) <= set(COLUMNS)

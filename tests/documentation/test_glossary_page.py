"""docs/glossary.md has the words with which cards explain themselves."""

from __future__ import annotations

import re

from pages import Page

from tgt.output.glossary import WORDS

PAGE = Page("docs/glossary.md")


def test_the_words_and_what_they_mean() -> None:
    unlinked = [re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", row[0]) for row in PAGE.table("glossary")]
    assert dict(zip(unlinked, (row[1] for row in PAGE.table("glossary")), strict=True)) == WORDS

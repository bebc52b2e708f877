"""docs/triage.md has the keys that there are, pictures that are small, and says what is so."""

from __future__ import annotations

import re

import pytest
from pages import ROOT, Page, coded

from tgt.board import MOST_SHOWN
from tgt.tui.triage import KEYS, STACKED_BELOW

PAGE = Page("docs/triage.md")
MOST_BYTES = 60_000
PICTURES = [*sorted(ROOT.glob("docs/triage-*.svg")), ROOT / "docs" / "list.svg"]


def test_the_keys() -> None:
    rows = [(", ".join(coded(key)), does) for key, does in PAGE.table("keys")]
    assert rows == [(key.shown, key.told) for keys in KEYS.values() for key in keys]


def test_the_numbers() -> None:
    assert f"on fewer than {STACKED_BELOW} the task stands below" in PAGE.text
    assert f"the best {MOST_SHOWN:,} are held" in PAGE.text


def test_every_picture_is_shown() -> None:
    assert [link for link in PAGE.links if link.endswith(".svg")] == [
        path.name for path in PICTURES[:-1]
    ]


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_refers_to_nothing_outside(path: str) -> None:
    picture = (ROOT / "docs" / path).read_text(encoding="utf-8")
    assert len(picture.encode()) < MOST_BYTES
    assert set(re.findall(r"https?://[^\"' ]+", picture)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\((?!#)|href=|@import|<image|<script", picture)
    assert "/tmp/" not in picture

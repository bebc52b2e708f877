"""docs/security.md and docs/troubleshooting.md quote what tgt really writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages import Page, coded

import tgt
from benchmarks import masking as masking_benchmark
from tgt import redact
from tgt.analyzers import masking
from tgt.sources import bounds

SECURITY = Page("docs/security.md")
TROUBLESHOOTING = Page("docs/troubleshooting.md")


def test_the_mask_of_a_credential() -> None:
    text = SECURITY.section("Security and privacy")
    (mask,) = (quoted for quoted in coded(text) if quoted[0] == "[")
    key = "AKIA" + "Q7XW3NZP5M2K9RTD"
    assert redact.redact(f"found {key} in the environment") == f"found {mask} in the environment"


def test_the_length_of_a_sample() -> None:
    sentence = f"each at most {masking._SAMPLE_TEXT} characters"
    assert sentence in SECURITY.section("Security and privacy")


def _number(cell: str) -> int:
    return int(re.sub(r"\D", "", cell))


def test_the_bounds() -> None:
    told = [_number(row[1]) for row in SECURITY.table("bounds")]
    assert told == [
        *(bounds.LINE_BYTES, bounds.NESTING, bounds.VALUES, bounds.RECORDS_PER_DOCUMENT),
        *(bounds.TEXT_CHARS, bounds.WORD_CHARS, bounds.STATE_BYTES, bounds.DISTINCT_KINDS),
        bounds.DIRECTORY_DEPTH,
    ]


def test_how_many_texts_are_tried_for_secrets() -> None:
    """What the benchmark counts, with one round of random letters."""
    tried, shown = masking_benchmark.secrets_shown(1, verbose=False)
    controls, wrong = masking_benchmark.evidence_masked(1, verbose=False)
    counts = [(tried.total(), shown.total()), (controls.total(), wrong.total())]
    assert [(_number(row[1]), _number(row[2])) for row in SECURITY.table("secrets")] == counts
    assert shown.total() <= 0.02 * tried.total()


def messages() -> list[str]:
    rows = TROUBLESHOOTING.section("Troubleshooting").split("| --- | --- |")[1]
    cells = re.findall(r"\| ([^|]+) \| [^|]+ \|", rows)
    return [quoted for cell in cells for quoted in coded(cell)]


@pytest.mark.parametrize("message", messages())
def test_a_message_that_is_explained_is_one_that_tgt_says(message: str) -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for p in Path(tgt.__file__).parent.rglob("*.py"))
    code = re.sub(r'"\n +f?"', "", code)
    for fragment in re.split(r"…|\d+ \w+|tgt stats", message):
        assert fragment.strip() in code, fragment

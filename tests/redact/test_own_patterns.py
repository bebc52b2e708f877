"""Patterns of one's own mask what they match, and none of them can stop a run."""

from __future__ import annotations

import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.redact import redact
from tgt.redact.own import PIECE, compiled, separated


@pytest.mark.parametrize(
    ("pattern", "text", "masked"),
    [
        ("ACME-[A-Z0-9]{8}", "id ACME-AB12CD34.", "id [redacted:own]."),
        (r"\bcorp_[a-z]+-[0-9]+\b", "a corp_x-12 b corp_yz-3", "a [redacted:own] b [redacted:own]"),
        ("emp=(?P<secret>[0-9]{6})", "emp=123456 left", "emp=[redacted:own] left"),
        ("(?i)project falcon", "about Project Falcon", "about [redacted:own]"),
        (r"(?:[0-9]{4}-){3}[0-9]{4}", "card 1111-2222-3333-4444", "card [redacted:own]"),
    ],
)
def test_a_pattern_masks_what_it_matches(pattern: str, text: str, masked: str) -> None:
    assert redact(text, patterns=compiled([pattern])) == masked
    assert redact(text) == text


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("abcd(", "no pattern"),
        ("x*", "fewer than 4"),
        (r"\d{3}", "fewer than 4"),
        ("a" * 501, "longer than 500"),
        ("(a+)+bbbb", "too many ways"),
        ("(?:a|aa)+bbbb", "too many ways"),
        ("(?:.*,){9}x", "too many ways"),
        (r"\d+\d+\d+xxxx", "too many ways"),
        (r".{1,100}.{1,100}key", "too many ways"),
        (r"(\w{4})\1", "too many ways"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        compiled(["fine-[0-9]{4}", pattern])
    assert repr(pattern[:80]) in str(refused.value)


def test_there_may_not_be_hundreds() -> None:
    with pytest.raises(ValueError, match="at most 100"):
        compiled(["abcd"] * 101)


@pytest.mark.parametrize(
    ("setting", "patterns"),
    [
        ("", []),
        ("ACME-[0-9]{4}", ["ACME-[0-9]{4}"]),
        ("a-[0-9]{2,3}, b(x,y)z ,[,]{4}", ["a-[0-9]{2,3}", "b(x,y)z", "[,]{4}"]),
        (r"a\(b,c\)d", [r"a\(b", r"c\)d"]),
        (r"a\\,b", [r"a\\", "b"]),
        ("# ids\nACME-[0-9]{1,4}\n\n  two, in one  \n", ["ACME-[0-9]{1,4}", "two, in one"]),
    ],
)
def test_a_setting_is_a_list_and_a_file_has_one_a_line(setting: str, patterns: list[str]) -> None:
    assert separated(setting) == patterns


@given(st.integers(0, 4 * PIECE), st.integers(0, 4 * PIECE), st.integers(1, PIECE // 2 - 6))
def test_a_match_is_found_wherever_it_stands(before: int, after: int, length: int) -> None:
    text = f"{'.' * before}ACME-{'x' * length}{'.' * after}"
    assert redact(text, patterns=compiled(["ACME-x+"])) == (
        f"{'.' * before}[redacted:own]{'.' * after}"
    )


@pytest.mark.parametrize(
    ("pattern", "part"),
    [
        (".*secret.*", "a"),
        (r"\w+@corp", "a"),
        (r"[a-z]+-[0-9]+x", "a-1"),
        ("(?:[a-z]{1,5}-){2,3}x1", "aaaaa-"),
        ("aaaa.*b", "aaaa"),
    ],
)
def test_the_dearest_patterns_that_are_taken_end(pattern: str, part: str) -> None:
    text = part * (50_000 // len(part))
    started = process_time()
    redact(text, patterns=compiled([pattern]))
    assert process_time() - started < 10


def test_patterns_are_ordinary_ones() -> None:
    assert compiled(["ACME-[0-9]{4}"]) == (re.compile("ACME-[0-9]{4}"),)

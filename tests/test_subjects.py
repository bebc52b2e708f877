"""Subjects are spelt and taken apart alike, whatever names and services contain."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt import subjects
from tgt.subjects import Subject

WORD = st.text("abcdefgh._-:é🧨", min_size=1)
NAME = st.text("abcdefgh._-:/ é", min_size=1)


@pytest.mark.parametrize(
    ("text", "parts", "label"),
    [
        ("tool_call/read_file", Subject("tool_call", "read_file"), "read_file"),
        ("tool_call/read_file@web", Subject("tool_call", "read_file", "web"), "read_file@web"),
        ("assistant_response", Subject("assistant_response"), "assistant_response"),
        ("assistant_response@web", Subject("assistant_response", None, "web"), None),
        ("assistant_response@a/b", Subject("assistant_response", None, "a/b"), None),
        ("assistant_response/org/m-1", Subject("assistant_response", "org/m-1"), "org/m-1"),
        ("tool_call/@scope/tool", Subject("tool_call", "@scope/tool"), "@scope/tool"),
        ("tool_call/@scope/tool@web", Subject("tool_call", "@scope/tool", "web"), None),
        ("assistant_response/m@2@web", Subject("assistant_response", "m@2", "web"), "m@2@web"),
        ("upstream/http_529", Subject("upstream", "http_529"), "http_529"),
        ("conversations/aborted", Subject("conversations", "aborted"), "aborted"),
        ("tool_call/", Subject("tool_call", ""), "tool_call/"),
        ("", Subject(""), ""),
    ],
)
def test_a_subject_is_taken_apart_and_put_together(
    text: str, parts: Subject, label: str | None
) -> None:
    assert subjects.parse(text) == parts
    assert str(parts) == text
    if label is not None:
        assert subjects.label(text) == label


@given(act=WORD, name=NAME | st.none(), service=NAME | st.none())
def test_what_is_spelt_is_read_alike(act: str, name: str | None, service: str | None) -> None:
    subject = Subject(act, name, service)
    assert subjects.parse(str(subject)) == subject


@given(st.text())
def test_every_text_is_a_subject_and_stays_as_it_is(text: str) -> None:
    assert str(subjects.parse(text)) == text

"""Whatever a card says, it is shown as text: it cannot act, hide, or become markup."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgt.output import card_view, list_view, machine, markdown
from tgt.output.safe import safe
from tgt.output.text import Screen
from tgt.tasks.card import Card

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
# C0 (but the line feed) and C1 controls, soft hyphen, zero-width, bidi, separators, surrogates.
ACTING = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0001-\U000e007f]"
)
PIPE = Screen(80, colour=False)
SCREENS = [*(Screen(width, colour=False, terminal=True) for width in (50, 80, 120)), PIPE]

characters = st.one_of(
    st.characters(),
    st.sampled_from("\x1b\x9b\x07\u202e\u2066\u200b\ufeff\r\n\t`*_[]<>@#|~:&\U000e0041\u0301世"),
)
texts = st.text(characters, max_size=40)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | texts
    | st.just("2025-11-03T15:00:00Z"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
details = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        [
            "value",
            "baselineValue",
            "unit",
            "history",
            "historyEnd",
            "k",
            "n",
            "conversations",
            "failingConversations",
            "expected",
            "interval",
            "windows",
            "rule",
            "enough",
        ],
        values,
    ),
)
notes = st.fixed_dictionaries(
    {"at": st.just("2025-11-03T15:00:00Z"), "text": texts}, optional={"by": values}
)
evidence = st.fixed_dictionaries(
    {},
    optional={
        "metric": values,
        "current": values,
        "baseline": values,
        "samples": values,
        "details": details | values,
    },
)
cards = st.fixed_dictionaries(
    {"id": texts.filter(bool)},
    optional={
        **dict.fromkeys(
            [
                "type",
                "severity",
                "status",
                "title",
                "description",
                "priority",
                "confidence",
                "generatedAt",
                "generatedBy",
                "subject",
                "occurrences",
                "firstSeenAt",
                "lastSeenAt",
                "dismissedUntil",
                "approvedAt",
                "approvalNote",
                "reopenedAt",
                "metadata",
                "suggestedFix",
                "acceptanceCriteria",
                "owner",
            ],
            values,
        ),
        "links": values | st.lists(texts, max_size=3),
        "notes": values | st.lists(notes, max_size=3),
        "evidence": evidence | values,
    },
)


@settings(max_examples=150)
@given(data=cards)
def test_no_card_can_break_a_view_or_act_on_a_terminal(data: dict[str, Any]) -> None:
    card = Card(data)
    shown = [markdown.card(card, NOW), machine.dumps({"task": machine.card(card)})]
    for screen in SCREENS:
        shown.append(card_view.card(screen, card, NOW))
        listing = list_view.Listing([card], 1, {card.id: card}, "tasks", notes=[str(card.title)])
        shown.append(list_view.task_list(screen, listing, NOW))
    for text in shown:
        found = ACTING.search(text)
        assert found is None, (found, text)
        assert text.encode("utf-8")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text stays as it is: äöü 世界 ½", "plain text stays as it is: äöü 世界 ½"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\nc\td", r"a\rb\nc d"),
        ("abc\u202edef", r"abc\u202edef"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("line\u2028separator", r"line\u2028separator"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("lone\ud800surrogate", r"lone\ud800surrogate"),
        ("no\u00a0break", "no break"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + r"\u0301\u0301"),
    ],
)
def test_what_could_act_is_shown_as_an_escape(raw: str, shown: str) -> None:
    assert safe(raw) == shown


def test_criteria_of_another_writer_cannot_act(card_data: Callable[..., Any]) -> None:
    criterion = {
        "metric": "a\x1b[2Jb",
        "subject": "\x1b",
        "op": "<=",
        "value": 0.1,
        "tolerated": 0.1,
        "unit": "calls\x1b]0;x\x07",
        "before": {"bad": 5, "of": 9},
    }
    data = card_data(criteria=[criterion])
    for shown in (card_view.card(PIPE, Card(data), NOW), markdown.card(Card(data), NOW)):
        assert not ACTING.search(shown)
    assert "shown by" in card_view.card(PIPE, Card(data), NOW)


def test_a_cut_is_visible() -> None:
    assert safe("x" * 11, limit=10) == "x" * 10 + "…"
    assert safe("x" * 10, limit=10) == "x" * 10


def test_line_feeds_stay_only_where_they_are_asked_for() -> None:
    assert safe("a\r\nb\nc", lines=True) == "a\nb\nc"


def test_rich_markup_and_emoji_codes_are_only_text(card_data: Callable[..., Any]) -> None:
    title = "[bold red]x[/] :smile: [link=http://a.example]y[/link]"
    card = Card(card_data(title=title))
    shown = card_view.card(Screen(100, colour=True), card, NOW)
    assert title in shown


def test_wide_characters_keep_the_columns_aligned(card_data: Callable[..., Any]) -> None:
    title = "读取文件失败" * 12
    card = Card(card_data(title=title))
    listing = list_view.Listing([card], 1, {card.id: card}, "tasks")
    shown = list_view.task_list(Screen(80, colour=False, terminal=True), listing, NOW)
    lines = shown.splitlines()
    column = lines[0].index("TASK")
    body = [line for line in lines[1:] if line and not line.startswith("1 of")]
    assert "".join(line[column:] for line in body) == title
    assert all(len(line[:column]) + 2 * len(line[column:]) <= 80 for line in body)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "</details><!-- ",
        "[click](http://evil.example)",
        "![](http://evil.example/x.png)",
        "**bold** _it_ ~~gone~~",
        "# heading",
        "- [x] done",
        "1. one",
        "> quote",
        "| a | b |",
        "    indented code",
        "```\nfence",
        "`` ` ``",
        "&lt;b&gt; &#64;octocat",
        "http://evil.example www.evil.example mailto:a@b.example",
        "@octocat please close #1 and GH-2, org/repo#3, !4, ~label, $5, %6",
        "deadbeefcafe1234",
    ],
)
def test_markdown_text_renders_as_itself(hostile: str) -> None:
    """Held against what CommonMark and the trackers act on, character by character."""
    written = markdown.inline(hostile)
    assert "\n" not in written
    unescaped = re.sub(r"\\[\\`*_{}\[\]<>#|~&$^.)+=-]", "", written).replace("&#8203;", "\x00")
    assert not re.search(r"[`*_\[\]<>#|~&^]", unescaped), "unescaped markup"
    assert not re.match(r"([-+=>#]|\d+[.)])", unescaped), "a block begins"
    visible = re.sub(r"\\(?=[^\w\s]|_)", "", written).replace("&#8203;", "\x00")
    assert not re.search(r"[@#!~$][\w]", visible), "a mention or a reference"
    assert not re.search(r"(https?|mailto):[\w/]|www\.", visible), "a link"
    assert not re.search(r"\bgh-\d|\b[0-9a-f]{7,40}\b", visible, re.IGNORECASE), "a reference"
    assert visible.replace("\x00", "") == " ".join(hostile.split())


def test_no_fence_inside_a_sample_can_close_its_block(card_data: Callable[..., Any]) -> None:
    data = card_data()
    data["evidence"]["samples"] = [{"text": "a\n`````\n# out\n<b>"}, {"text": "```"}, "~~~"]
    written = markdown.card(Card(data), NOW)
    assert "\n``````text\n" in written
    inside = written.split("``````text\n")[1].split("\n``````\n")[0]
    assert inside.splitlines() == [r"a\n`````\n# out\n<b>", "```", "~~~"]


@pytest.mark.parametrize("raw", ["a`b", "``", "`", "a``b`", "x"])
def test_a_code_span_holds_any_text(raw: str) -> None:
    span = markdown.code(raw)
    fence = re.match(r"`+", span)
    assert fence is not None
    assert span.endswith(fence[0])
    inner = span[len(fence[0]) : -len(fence[0])]
    assert fence[0] not in re.findall(r"`+", inner)
    assert inner.strip(" ") == raw

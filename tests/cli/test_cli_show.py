"""``tgt show``: one card with all its evidence, as text, as JSON and for an issue tracker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from conftest import NOW, Workplace

Card = Callable[..., dict[str, Any]]

TEXT_80 = """\
read_file fails in 25% of the conversations that use it
high  generated  priority 70  confidence 93%
id     01K94XYZ00A7T4M8R2VXCDGHJK
about  tool_call/read_file
type   error_spike
seen   first 3 h ago, last 5 min ago, in 12 runs

14 of 56 conversations saw read_file fail; 3.1% did in the week before.

Evidence
  measured  share of conversations in which tool_call/read_file failed
  window    2025-11-03 15:00 to 16:00 UTC
  now       25% (14 of 56)
  usual     3.1%
  limit     9.3%
  by hour   ▁▁ ▂█  5 h, until just now; usual ▁, limit ▃
  counted   14 of 56
  likely    16% to 37%
  rule      fires beyond 3 times the subject's own baseline
  enough    5 errors in 3 conversations

Samples
  2025-11-03T15:41:07.120Z
    ENOENT: no such file, open 'config.yml'
    event ev-91

Suggested fix
  Look at what changed in how read_file is called.
  - Reproduce one of the sample calls
  - Validate the path first
  files   tools/read_file.py
  effort  1-2 hours

Done when
  [ ] The failing share stays below 9.3% for 24 hours

So far
  2025-11-03 13:00 UTC  generated  tgt

Next
  tgt approve 01K94XYZ00A7T4M8R2VXCDGHJK
  tgt dismiss 01K94XYZ00A7T4M8R2VXCDGHJK
"""

MARKDOWN = """\
# read\\_file fails in 25% of the conversations that use it

- **Severity:** high
- **Priority:** 70
- **Confidence:** 93%
- **Status:** generated
- **Type:** `error_spike`
- **About:** `tool_call/read_file`
- **First seen:** 2025-11-03 13:00 UTC
- **Last seen:** 2025-11-03 15:55 UTC
- **Seen in:** 12 runs

14 of 56 conversations saw read\\_file fail; 3.1% did in the week before.

## Evidence

- **Measured:** share of conversations in which tool\\_call/read\\_file failed
- **Window:** 2025-11-03 15:&#8203;00 to 16:&#8203;00 UTC
- **Now:** 25% (14 of 56)
- **Usual:** 3.1%
- **Limit:** 9.3%
- **Rule:** fires beyond 3 times the subject's own baseline
- **Enough:** 5 errors in 3 conversations
- **By hour:** `▁▁·▂█` (usual ▁, limit ▃)

## Samples

```text
2025-11-03T15:41:07.120Z  ENOENT: no such file, open 'config.yml'  ev-91
```

## Suggested fix

Look at what changed in how read\\_file is called.

- Reproduce one of the sample calls
- Validate the path first
- `tools/read_file.py`
- Effort: 1-2 hours

## Done when

- [ ] The failing share stays below 9.3% for 24 hours

Task `01K94XYZ00A7T4M8R2VXCDGHJK`, generated 2025-11-03 13:00 UTC by `tgt`.
"""


@pytest.fixture
def one(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(card_data())
    return workplace


def test_text_at_80_columns(one: Workplace) -> None:
    result = one.tgt("show", "01k94", "--now", NOW)
    assert (result.out, result.err) == (TEXT_80, "")


def test_text_at_50_columns_wraps_and_cuts_nothing(one: Workplace) -> None:
    out = one.tgt("show", "01K94", "--now", NOW, COLUMNS="50").out
    assert max(map(len, out.splitlines())) <= 50
    assert out.split() == TEXT_80.split()


def test_markdown(one: Workplace) -> None:
    assert one.tgt("show", "01K94", "--format", "Markdown", "--now", NOW).out == MARKDOWN


@pytest.mark.parametrize("arguments", [["--json"], ["--format", "json"]])
def test_json_is_the_stored_card(one: Workplace, card_data: Card, arguments: list[str]) -> None:
    assert one.tgt("show", "01K94", *arguments).json == {"task": card_data()}


def test_what_happened_to_a_card_is_told_in_order(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(
        card_data(
            status="dismissed",
            approvedAt="2025-11-03T14:00:00.000Z",
            approvalNote="on it",
            reopenedAt="2025-11-03T15:00:00.000Z",
            metadata={"reopened": {"at": "2025-11-03T15:00:00.000Z", "reason": "came_back"}},
            completedAt="2025-11-03T14:30:00.000Z",
            dismissedAt="2025-11-03T15:30:00.000Z",
            dismissalReason="noise",
            dismissedUntil="2025-11-10T15:30:00.000Z",
        )
    )
    out = workplace.tgt("show", "01K94", "--now", NOW).out
    assert out[out.index("So far") :] == (
        "So far\n"
        "  2025-11-03 13:00 UTC  generated         tgt\n"
        "  2025-11-03 14:00 UTC  approved          on it\n"
        "  2025-11-03 14:30 UTC  completed\n"
        "  2025-11-03 15:00 UTC  reopened          came back after it was completed\n"
        "  2025-11-03 15:30 UTC  dismissed         noise\n"
        "  2025-11-10 15:30 UTC  quiet until then\n"
        "\n"
        "Next\n"
        "  tgt reopen 01K94XYZ00A7T4M8R2VXCDGHJK\n"
    )


def test_a_card_of_another_writer_needs_only_an_id(workplace: Workplace) -> None:
    workplace.write_journal({"id": "x", "evidence": [], "suggestedFix": "fix it", "priority": "7"})
    result = workplace.tgt("show", "x", "--now", NOW)
    assert (result.status, result.err) == (0, "")
    assert result.out == (
        "(no title)\n?  ?  priority 0  confidence 0%\nid  x\n"
        "\nNext\n  tgt approve x\n  tgt dismiss x\n"
    )


def test_no_such_task(one: Workplace, card_data: Card) -> None:
    result = one.tgt("show", "zzz", "--json")
    assert result.status == 3
    task_id, title = card_data()["id"], card_data()["title"]
    assert result.json == {
        "error": "no such task: 'zzz'; see tgt list --all",
        "candidates": [task_id],
        "candidateTitles": [title],
        "moreCandidates": 0,
    }
    assert result.err == f"tgt: no such task: 'zzz'; see tgt list --all\n  {task_id}  {title}\n"


def test_an_ambiguous_prefix_lists_the_candidates(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(card_data("ABC", title="a\x1b"), card_data("ABD", title="b"))
    result = workplace.tgt("show", "ab", "--json")
    assert result.status == 3
    assert result.json["candidates"] == ["ABC", "ABD"]
    assert result.err == "tgt: 'ab' fits 2 tasks; give more of the id\n  ABC  a\\x1b\n  ABD  b\n"


def test_a_bad_format_is_refused(one: Workplace) -> None:
    result = one.tgt("show", "01K94", "--format", "html")
    assert (result.status, result.out) == (2, "")
    assert all(word in result.err for word in ("text", "json", "markdown"))


def test_several_tasks_are_shown_one_below_the_other(workplace: Workplace, card_data: Card) -> None:
    first, second = card_data("01KAAAA", title="one"), card_data("01KBBBB", title="two")
    workplace.write_journal(first, second)
    assert workplace.tgt("show", "BBBB", "aaaa", "--json").json == {"tasks": [second, first]}
    text = workplace.tgt("show", "-", "--now", NOW, stdin="01KAAAA\n01KBBBB\n").out
    assert text.startswith("one\n")
    assert "\n\n\ntwo\n" in text
    body = workplace.tgt("show", "AAAA", "BBBB", "--format", "markdown").out
    assert body.index("# one") < body.index("\n---\n\n# two")
    assert workplace.tgt("show", "AAAA", "none").status == 3


def test_what_was_annotated_is_shown(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(
        card_data(
            owner="ada\x1b[31m",
            links=["https://tracker.example/1?a=b#c", "https://x.example/)[y](http://z)"],
            notes=[
                {"at": "2025-11-03T14:00:00Z", "by": "jo", "text": "wait\x07 for *v2*"},
                "x",
                {},
            ],
        )
    )
    out = workplace.tgt("show", "01K94", "--now", NOW, COLUMNS="120").out
    assert "owner  ada\\x1b[31m\n" in out
    assert "link   https://tracker.example/1?a=b#c\n" in out
    assert "2025-11-03 14:00 UTC  noted      wait\\x07 for *v2* (jo)\n" in out
    body = workplace.tgt("show", "01K94", "--format", "markdown").out
    assert "- **Owner:** ada\\\\x1b\\[31m\n" in body
    assert "- **Link:** <https://tracker.example/1?a=b#c>\n" in body
    assert "- **Link:** `https://x.example/)[y](http://z)`\n" in body
    assert "- **Noted:** 2025-11-03 14:00 UTC, wait\\\\x07 for \\*v2\\* (jo)\n" in body

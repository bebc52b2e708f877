"""Undocumented tools, sought in real files."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Line, World, call

from tgt.analyzers import documentation as documentation_module
from tgt.analyzers.base import Analysis
from tgt.analyzers.docs_gap import DocsGapAnalyzer
from tgt.analyzers.documentation import search
from tgt.analyzers.mentions import Mentions

Judge = Callable[..., Analysis]
ANALYZER = DocsGapAnalyzer()


def _calls(n: int, conversations: int = 10, name: str = "read_file") -> list[Line]:
    return [call(55 * (i + 0.5) / n, f"c{i % conversations}", name) for i in range(n)]


@pytest.mark.parametrize(
    ("n", "severity"),
    [
        (19, None),
        (20, "medium"),
        (49, "medium"),
        (50, "high"),
        (99, "high"),
        (100, "critical"),
    ],
)
def test_the_minimum_and_the_steps_of_severity(
    world: World, judge: Judge, n: int, severity: str | None
) -> None:
    world.write(*_calls(n))
    analysis = judge(ANALYZER)
    assert [str(f.severity) for f in analysis.findings] == ([severity] if severity else [])
    assert analysis.abstained == ()


@pytest.mark.parametrize(("conversations", "sure"), [(3, 0.7), (6, 0.85), (18, 0.95), (60, 0.985)])
def test_more_conversations_are_more_certain(
    world: World, judge: Judge, conversations: int, sure: float
) -> None:
    world.write(*_calls(60, conversations))
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence == pytest.approx(sure)
    assert finding.subject == "tool_call/read_file"
    assert finding.evidence.details["conversations"] == conversations


def test_calls_of_too_few_conversations_are_said_to_be_so(world: World, judge: Judge) -> None:
    world.write(*_calls(60, 2))
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert abstention.reason == "60 calls in 2 of 3 conversations"


def test_calls_of_no_conversation_start_at_the_lowest_confidence(
    world: World, judge: Judge
) -> None:
    world.write(*({k: v for k, v in line.items() if k != "conv_id"} for line in _calls(60)))
    (finding,) = judge(ANALYZER).findings
    assert finding.confidence == pytest.approx(0.7)


def test_the_minimum_is_a_setting(world: World, judge: Judge) -> None:
    world.write(*_calls(8))
    assert len(judge(ANALYZER, docs_gap_min_usage=8).findings) == 1
    assert judge(ANALYZER, docs_gap_min_usage=9).findings == ()


MENTIONS = [
    ("Use read_file to read a file.", True, "in a sentence"),
    ("`read_file`", True, "as code"),
    ("## read_file(path)", True, "with its arguments"),
    ("| read_file | reads |", True, "in a table"),
    ("see tools.read_file, or", True, "with its module"),
    ("read_file", True, "the only word"),
    ("read_files", False, "a longer word"),
    ("my_read_file", False, "the end of a word"),
    ("pre-read_file", False, "a part of a hyphenated word"),
    ("read_file-async", False, "another one"),
    ("Read_File", False, "names have a case"),
    ("read file", False, "two words"),
    ("", False, "nothing"),
]


def test_what_counts_as_a_mention(world: World, judge: Judge) -> None:
    world.write(*_calls(30))
    docs = world.path / "docs" / "deep" / "deeper"
    docs.mkdir(parents=True)
    for text, documented, why in MENTIONS:
        (docs / "tools.md").write_text(text)
        assert len(judge(ANALYZER).findings) == 1 - documented, why


PLACES = [
    ("docs/tools.md", True, "markdown"),
    ("docs/tools.rst", True, "another markup"),
    ("docs/TOOLS", True, "no suffix"),
    ("docs/a/b/tools.txt", True, "deep down"),
    ("docs/logo.png", False, "a picture"),
    ("docs/tools.py", False, "code"),
    ("docs/.git/tools.md", False, "a hidden directory"),
    ("notes/tools.md", False, "elsewhere"),
    ("README.md", True, "a file named by itself"),
]


def test_where_documentation_is_sought(world: World, judge: Judge) -> None:
    world.write(*_calls(30))
    paths = (world.path / "docs", world.path / "README.md")
    for place, documented, why in PLACES:
        path = world.path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("read_file")
        assert len(judge(ANALYZER, docs_paths=paths).findings) == 1 - documented, why
        path.unlink()


def test_relative_paths_are_taken_from_the_working_directory(
    world: World, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*_calls(30))
    (world.path / "manual.txt").write_text("read_file")
    assert judge(ANALYZER, docs_paths=(Path("manual.txt"),)).notices
    monkeypatch.chdir(world.path)
    assert judge(ANALYZER, docs_paths=(Path("manual.txt"),)) == Analysis()


def test_what_cannot_be_read_is_passed_over(world: World, judge: Judge) -> None:
    world.write(*_calls(30), *_calls(30, name="other"))
    docs = world.path / "docs"
    os.mkfifo(docs / "a-pipe.md")
    (docs / "b-loop.md").symlink_to("b-loop.md")
    (docs / "c-dangling.md").symlink_to("nowhere")
    (docs / "d-device.md").symlink_to("/dev/zero")
    (docs / "e-binary.md").write_bytes(b"\x00\xff\xfe" * 1000)
    (docs / "f-circle").symlink_to(docs)
    (docs / "z.md").write_bytes(b"\xff caf\xe9 read_file\n")
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == "tool_call/other"


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ((), "no path is named"),
        (
            (Path("/nowhere"), Path("x.md")),
            "there is no documentation: /nowhere, x.md is not there",
        ),
    ],
)
def test_where_no_documentation_is_there_nothing_can_be_said(
    world: World, judge: Judge, paths: tuple[Path, ...], reason: str
) -> None:
    world.write(*_calls(30), *_calls(30, name="other"), *_calls(5, name="rare"))
    analysis = judge(ANALYZER, docs_paths=paths)
    assert analysis.findings == ()
    assert [(a.subject, a.reason) for a in analysis.abstained] == [("tool_call", reason)]
    assert analysis.notices == (f"docs_gap: {reason} (TASKGEN_DOCS_PATHS)",)


def test_one_of_several_paths_is_enough(world: World, judge: Judge) -> None:
    world.write(*_calls(30))
    paths = (Path("/nowhere"), world.path / "docs")
    analysis = judge(ANALYZER, docs_paths=paths)
    assert len(analysis.findings) == 1
    assert analysis.notices == ()


def test_without_much_used_tools_nobody_asks_for_documentation(world: World, judge: Judge) -> None:
    world.write(*_calls(5))
    assert judge(ANALYZER, docs_paths=(Path("/nowhere"),)) == Analysis()


@pytest.mark.parametrize(
    ("bound", "most", "left_out"),
    [
        ("MOST_DOCUMENTS", 3, "what is more than 3 documents"),
        ("MOST_ENTRIES", 3, "what is more than 3 files and directories"),
        ("MOST_DEPTH", 1, "what is more than 1 directories deep"),
    ],
)
def test_what_was_left_out_may_mention_the_tool(
    world: World,
    judge: Judge,
    monkeypatch: pytest.MonkeyPatch,
    bound: str,
    most: int,
    left_out: str,
) -> None:
    world.write(*_calls(30), *_calls(30, name="other"))
    deep = world.path / "docs" / "b" / "c"
    deep.mkdir(parents=True)
    (world.path / "docs" / "a.md").write_text("other")
    for number in range(4):
        (deep / f"{number}.md").write_text("nothing")
    (deep / "9.md").write_text("read_file")
    monkeypatch.setattr(documentation_module, bound, most)
    analysis = judge(ANALYZER)
    assert analysis.findings == ()
    (abstention,) = analysis.abstained
    assert abstention.reason.endswith(f"not all were read: {left_out}")
    assert left_out in analysis.notices[0]


def test_a_thousand_names_take_hardly_longer_than_one(world: World) -> None:
    text = "see mcp.server.x and others\n" * 100_000
    (world.path / "docs" / "a.md").write_text(text)

    def seconds(names: set[str]) -> float:
        started = time.process_time()
        search(names, [world.path / "docs"])
        return time.process_time() - started

    few = seconds({"mcp.server.a0"})
    assert seconds({f"mcp.server.a{n}" for n in range(1000)}) < 5 * few + 1


def test_samples_show_what_was_asked(world: World, judge: Judge) -> None:
    keys = {"args_preview": '{"path": "a.txt"}', "result_preview": "what is in it"}
    world.write(*({**line, **keys} for line in _calls(30)))
    (finding,) = judge(ANALYZER).findings
    assert {sample["text"] for sample in finding.evidence.samples} == {'{"path": "a.txt"}'}


def test_a_name_is_no_pattern(world: World, judge: Judge) -> None:
    names = ["a.*b", "(x", "[", "c++", "a\\b", "$(rm)", "x{2}", "ünï", "🧨"]
    for name in names:
        world.write(*_calls(30, name=name))
    docs = world.path / "docs"
    (docs / "tools.md").write_text("aXXb xx c")
    subjects = {f"tool_call/{name}" for name in names}
    assert {f.subject for f in judge(ANALYZER).findings} == subjects
    for name in names:
        (docs / "more.md").write_text(f"call {name} now")
        assert {f.subject for f in judge(ANALYZER).findings} == subjects - {f"tool_call/{name}"}


def test_names_are_met_as_one_pattern_each_would_meet_them() -> None:
    """Whatever the names and however the text comes in parts."""
    random.seed(1)
    letters = "ab-_. (/é["
    for _ in range(2000):
        text = "".join(random.choices(f"{letters}  \n", k=60))
        names = {"".join(random.choices(letters, k=random.randint(1, 4))) for _ in range(8)}
        mentions = Mentions(names)
        cut = random.randint(0, 60)
        mentions.look_at(text[:cut], is_last=False)
        mentions.look_at(text[cut:])
        met = {n for n in names if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)}
        assert mentions.unmentioned == names - met

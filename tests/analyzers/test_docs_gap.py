"""Undocumented tools, sought in real files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Line, World, call

from tgt.analyzers.base import Analysis
from tgt.analyzers.docs_gap import DocsGapAnalyzer

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


@pytest.mark.parametrize(
    ("text", "documented", "why"),
    [
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
    ],
)
def test_what_counts_as_a_mention(
    world: World, judge: Judge, text: str, documented: bool, why: str
) -> None:
    world.write(*_calls(30))
    docs = world.path / "docs" / "deep" / "deeper"
    docs.mkdir(parents=True)
    (docs / "tools.md").write_text(text)
    assert len(judge(ANALYZER).findings) == 1 - documented


@pytest.mark.parametrize(
    ("place", "documented", "why"),
    [
        ("docs/tools.md", True, "markdown"),
        ("docs/tools.rst", True, "another markup"),
        ("docs/TOOLS", True, "no suffix"),
        ("docs/a/b/tools.txt", True, "deep down"),
        ("docs/logo.png", False, "a picture"),
        ("docs/tools.py", False, "code"),
        ("docs/.git/tools.md", False, "a hidden directory"),
        ("notes/tools.md", False, "elsewhere"),
        ("README.md", True, "a file named by itself"),
    ],
)
def test_where_documentation_is_sought(
    world: World, judge: Judge, place: str, documented: bool, why: str
) -> None:
    world.write(*_calls(30))
    path = world.path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("read_file")
    paths = (world.path / "docs", world.path / "README.md")
    assert len(judge(ANALYZER, docs_paths=paths).findings) == 1 - documented


def test_relative_paths_are_taken_from_the_working_directory(
    world: World, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*_calls(30))
    (world.path / "manual.txt").write_text("read_file")
    assert len(judge(ANALYZER, docs_paths=(Path("manual.txt"),)).findings) == 1
    monkeypatch.chdir(world.path)
    assert judge(ANALYZER, docs_paths=(Path("manual.txt"),)).findings == ()


def test_what_cannot_be_read_is_passed_over(world: World, judge: Judge) -> None:
    world.write(*_calls(30), *_calls(30, name="other"))
    docs = world.path / "docs"
    docs.mkdir()
    os.mkfifo(docs / "a-pipe.md")
    (docs / "b-loop.md").symlink_to("b-loop.md")
    (docs / "c-dangling.md").symlink_to("nowhere")
    (docs / "d-device.md").symlink_to("/dev/zero")
    (docs / "e-binary.md").write_bytes(b"\x00\xff\xfe" * 1000)
    (docs / "f-circle").symlink_to(docs)
    (docs / "z.md").write_bytes(b"\xff caf\xe9 read_file\n")
    (finding,) = judge(ANALYZER).findings
    assert finding.subject == "tool_call/other"


@pytest.mark.parametrize("paths", [(), (Path("/nowhere/at/all"),)])
def test_without_any_documentation_every_tool_lacks_it(
    world: World, judge: Judge, paths: tuple[Path, ...]
) -> None:
    world.write(*_calls(30), *_calls(30, name="other"), *_calls(5, name="rare"))
    subjects = [finding.subject for finding in judge(ANALYZER, docs_paths=paths).findings]
    assert subjects == ["tool_call/other", "tool_call/read_file"]


@pytest.mark.parametrize("name", ["a.*b", "(x", "[", "c++", "a\\b", "$(rm)", "x{2}", "ünï", "🧨"])
def test_a_name_is_no_pattern(world: World, judge: Judge, name: str) -> None:
    world.write(*_calls(30, name=name))
    docs = world.path / "docs"
    docs.mkdir()
    (docs / "tools.md").write_text("aXXb xx c")
    assert [f.subject for f in judge(ANALYZER).findings] == [f"tool_call/{name}"]
    (docs / "more.md").write_text(f"call {name} now")
    assert judge(ANALYZER).findings == ()

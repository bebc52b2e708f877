"""Undocumented tools: used a lot, and mentioned nowhere in the documentation.

A count is a fact, so there is no test of significance: what matters is in how many conversations
the tool was used. Documentation is sought in real files, as a whole word.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tgt.analyzers import base
from tgt.engine.protocol import Measure, Usage
from tgt.events import from_us
from tgt.outcome import Abstention
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType

MIN_CONVERSATIONS = 3
START = 0.7
"""Confidence at the minimum of calls and conversations."""
_SUFFIXES = {".md", ".mdx", ".markdown", ".rst", ".txt", ".adoc", ".html", ".htm", ".org", ""}
_MAX_FILE = 4 * 1024 * 1024
_MAX_FILES = 5000


class DocsGapAnalyzer:
    name = "docs_gap"

    def analyze(self, context: base.Context) -> base.Analysis:
        minimum = context.settings.docs_gap_min_usage
        used = [use for use in context.engine.usage(context.window) if use.calls >= minimum]
        few = [u for u in used if u.conversations < MIN_CONVERSATIONS and not u.by_event]
        abstained = tuple(
            Abstention(
                self.name,
                use.subject,
                f"{use.calls} calls in {use.conversations} of {MIN_CONVERSATIONS} conversations",
            )
            for use in few
        )
        enough = [use for use in used if use not in few]
        missing = undocumented([use.name for use in enough], context.settings.docs_paths)
        findings = tuple(self._finding(context, use) for use in enough if use.name in missing)
        return base.Analysis(findings, abstained)

    def _finding(self, context: base.Context, use: Usage) -> Finding:
        minimum = context.settings.docs_gap_min_usage
        window = context.window
        paths = ", ".join(str(path) for path in context.settings.docs_paths)
        if use.calls >= 100:  # noqa: PLR2004
            severity = Severity.CRITICAL
        elif use.calls >= 50:  # noqa: PLR2004
            severity = Severity.HIGH
        else:
            severity = Severity.MEDIUM
        samples = context.engine.samples(use.subject, Measure.EVENTS, window, base.MAX_SAMPLES)
        centre = context.engine.centre(use.subject, Measure.EVENTS, window)
        return Finding(
            analyzer=self.name,
            type=TaskType.DOCS_GAP,
            subject=use.subject,
            severity=severity,
            title=f"{use.name} is used and not documented",
            description=(
                f"{use.name} was called {use.calls} times in {use.conversations} conversations in"
                f" the last {base.duration(window)}, and {paths or 'no file'} mentions it nowhere."
            ),
            evidence=Evidence(
                metric="undocumented_calls",
                current=f"{use.calls} calls",
                threshold=f"{minimum} calls",
                time_window=base.duration(window),
                samples=base.describe_samples(samples),
                details={
                    "unit": "count",
                    "value": use.calls,
                    "baselineValue": None,
                    "thresholdValue": minimum,
                    "n": use.calls,
                    "conversations": use.conversations,
                    "searched": [str(path) for path in context.settings.docs_paths],
                    "rule": "calls of a tool whose name stands nowhere in the documentation",
                },
            ),
            fix=Fix(
                approach="document_tool",
                files=tuple(str(path) for path in context.settings.docs_paths[:1]),
                changes=(
                    f"Describe {use.name}: what it is for, its arguments, one example, its errors",
                    "Take the examples from the samples: they are what agents really ask of it",
                ),
                effort="1 hour",
            ),
            acceptance=(f"{use.name} is described, with an example, under {paths}",),
            confidence=confidence(use),
            impact=min(1.0, use.calls / 200),
            centre=None if centre is None else from_us(centre),
            related_events=base.event_ids(samples),
        )


def confidence(use: Usage) -> float:
    """0.7 at the minimum of three conversations, 0.85 at six, 0.95 at eighteen, never 1."""
    if use.by_event:
        return START
    return max(START, min(0.99, 1.0 - (1.0 - START) * MIN_CONVERSATIONS / use.conversations))


def undocumented(names: Sequence[str], paths: Iterable[Path]) -> set[str]:
    """Those of the names that stand as a whole word in none of the files."""
    missing = {name: re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])") for name in names}
    for text in _texts(paths) if missing else ():
        for name in [name for name, word in missing.items() if word.search(text)]:
            del missing[name]
        if not missing:
            break
    return set(missing)


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    left = _MAX_FILES
    for path in paths:
        for file in _files(path):
            if left <= 0:
                return
            left -= 1
            text = _read(file)
            if text is not None:
                yield text


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for directory, directories, names in os.walk(path):
        directories[:] = sorted(d for d in directories if not d.startswith("."))
        for name in sorted(names):
            file = Path(directory, name)
            if file.suffix.lower() in _SUFFIXES:
                yield file


def _read(path: Path) -> str | None:
    """The text of a regular file, in part if it is large; None if there is nothing to read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError:
        return None

"""The analyzers by name, in the order of the settings."""

from __future__ import annotations

from collections.abc import Iterable

from tgt.analyzers.base import Analyzer
from tgt.analyzers.continuation import ContinuationAnalyzer
from tgt.analyzers.docs_gap import DocsGapAnalyzer
from tgt.analyzers.error_spike import ErrorSpikeAnalyzer
from tgt.analyzers.performance import PerformanceAnalyzer
from tgt.analyzers.ux_issue import UxIssueAnalyzer

ALL: tuple[Analyzer, ...] = (
    ContinuationAnalyzer(),
    ErrorSpikeAnalyzer(),
    DocsGapAnalyzer(),
    PerformanceAnalyzer(),
    UxIssueAnalyzer(),
)


def chosen(names: Iterable[str]) -> tuple[Analyzer, ...]:
    wanted = set(names)
    return tuple(analyzer for analyzer in ALL if analyzer.name in wanted)

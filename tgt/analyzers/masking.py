"""An analysis as it may leave an analyzer: without credentials, and samples cut short.

First masked and then cut, since half a secret is not recognized and still gives half away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tgt.analyzers.base import Analysis, Context
from tgt.analyzers.deferred import then
from tgt.redact import everywhere
from tgt.tasks.card import Finding

_SAMPLE_TEXT = 160


def presentable(analysis: Analysis, context: Context) -> Analysis:
    """The analysis with every text masked that came, or may have come, from telemetry."""
    return Analysis(
        tuple(_presentable(finding, context.redacted) for finding in analysis.findings),
        tuple(
            replace(a, subject=context.redacted(a.subject), reason=context.redacted(a.reason))
            for a in analysis.abstained
        ),
        tuple(context.redacted(notice) for notice in analysis.notices),
    )


def _presentable(finding: Finding, mask: Callable[[str], str]) -> Finding:
    subject = everywhere(finding.subject, mask)
    return then(finding, lambda whole: masked(whole, mask), subject=subject)


def masked(finding: Finding, mask: Callable[[str], str]) -> Finding:
    """A finding with every text masked, and the texts of its samples cut."""

    def clean(value: Any) -> Any:
        return everywhere(value, mask)

    evidence, fix = finding.evidence, finding.fix
    return replace(
        finding,
        subject=clean(finding.subject),
        title=clean(finding.title),
        description=clean(finding.description),
        evidence=replace(
            evidence,
            current=clean(evidence.current),
            baseline=clean(evidence.baseline),
            threshold=clean(evidence.threshold),
            samples=tuple(_cut(clean(sample)) for sample in evidence.samples),
            details=clean(evidence.details),
        ),
        fix=replace(fix, files=clean(fix.files), changes=clean(fix.changes)),
        acceptance=clean(finding.acceptance),
        criteria=tuple(replace(each, subject=clean(each.subject)) for each in finding.criteria),
        related_events=clean(finding.related_events),
    )


def _cut(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    text = sample.get("text")
    if not isinstance(text, str) or len(text) <= _SAMPLE_TEXT:
        return sample
    return {**sample, "text": text[: _SAMPLE_TEXT - 1] + "…"}

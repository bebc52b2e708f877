"""Truncated answers: too large a share of responses is cut off before it ends."""

from __future__ import annotations

from tgt.analyzers import base
from tgt.engine.protocol import TRUNCATION, UNTOLD, Measure, Reading
from tgt.events import from_us
from tgt.outcome import Abstention
from tgt.stats import confidence
from tgt.tasks.card import Evidence, Finding, Fix, Severity, TaskType

MIN_RESPONSES = 20
MIN_CONVERSATIONS = 3
PRIOR = 0.02
"""Probability, before looking, that a share has just changed."""


class ContinuationAnalyzer:
    name = "continuation"

    def analyze(self, context: base.Context) -> base.Analysis:
        telemetry = context.engine.telemetry
        findings = base.Looks()
        abstained: dict[str, Abstention] = {}
        for window in context.longer_windows(6):
            for reading in context.engine.shares(TRUNCATION, window, 1):
                if not reading.subject.startswith("assistant_response"):
                    continue
                missing = self._missing(reading, context.settings.continuation_threshold)
                if missing and window == context.window:
                    abstained[reading.subject] = Abstention(self.name, reading.subject, missing)
                if missing:
                    continue
                if window != context.window:
                    abstained.pop(reading.subject, None)
                finding = self._judge(context, reading)
                if finding:
                    findings.add(window, finding)
        if not telemetry.tells_finish and not telemetry.tells_continuation:
            if not context.engine.shares(TRUNCATION, context.window, 10**9):
                return base.Analysis()
            reason = "the telemetry tells neither finish reasons nor continuations"
            return base.Analysis((), (Abstention(self.name, "assistant_response", reason),))
        silent = self._untold(context) if telemetry.tells_finish else {}
        return base.Analysis(findings.findings(), tuple({**silent, **abstained}.values()))

    def _untold(self, context: base.Context) -> dict[str, Abstention]:
        """Responses of sources that never tell an end, beside others that do."""
        told = {r.subject for r in context.engine.shares(TRUNCATION, context.window, 10**9)}
        untold = context.engine.shares(UNTOLD, context.window, 10**9)
        reason = "its telemetry does not tell finish reasons"
        return {
            reading.subject: Abstention(self.name, reading.subject, reason)
            for reading in untold
            if reading.subject not in told and reading.now.n >= MIN_RESPONSES
        }

    def _missing(self, reading: Reading, threshold: float) -> str:
        now = reading.now
        if now.n < MIN_RESPONSES:
            return f"{now.n} of {MIN_RESPONSES} responses with a known end"
        few = now.bad_conversations < MIN_CONVERSATIONS and not now.by_event
        if few and now.k > threshold * now.n:
            return f"truncations in {now.bad_conversations} of {MIN_CONVERSATIONS} conversations"
        return ""

    def _judge(self, context: base.Context, reading: Reading) -> Finding | None:
        threshold = context.settings.continuation_threshold
        now = reading.now
        share = now.k / now.n
        if share <= threshold:
            return None
        history = base.baseline_of(
            context, TaskType.CONTINUATION, reading.subject, reading.window, reading.history
        )
        past = history.clusters
        effect = confidence.shrunk_design_effect(now.clusters, past)
        usual = None
        if history.observed >= base.MIN_HOURS_OBSERVED and history.n >= MIN_RESPONSES:
            usual = confidence.usual_share(
                [(tally.k, tally.n) for tally in history.hours.values()],
                design_effect=past.design_effect(),
            )
        k, n = now.k / effect, now.n / effect
        sure = base.capped(
            confidence.lies_above(k, n, threshold, usual, PRIOR), by_event=now.by_event
        )
        if share > 0.30:  # noqa: PLR2004
            severity = Severity.CRITICAL
        elif share > 0.20:  # noqa: PLR2004
            severity = Severity.HIGH
        else:
            severity = Severity.MEDIUM
        return self._finding(context, reading, share, sure, severity, effect, usual, history)

    def _finding(
        self,
        context: base.Context,
        reading: Reading,
        share: float,
        sure: float,
        severity: Severity,
        effect: float,
        usual: confidence.Usual | None,
        history: base.Baseline,
    ) -> Finding:
        threshold = context.settings.continuation_threshold
        now, window = reading.now, reading.window
        who = reading.subject.partition("/")[2] or "the assistant"
        samples = context.engine.samples(reading.subject, Measure.CUTS, window, base.MAX_SAMPLES)
        centre = context.engine.centre(reading.subject, Measure.CUTS, window)
        low, high = confidence.interval(now.k / effect, now.n / effect)
        return Finding(
            analyzer=self.name,
            type=TaskType.CONTINUATION,
            subject=reading.subject,
            severity=severity,
            title=f"Answers of {who} are cut off",
            description=(
                f"{now.k} of {now.n} responses of {who} ({base.percent(share)}) were cut off or had"
                f" to be continued in the last {base.duration(window)}, in"
                f" {now.bad_conversations} conversations; {base.percent(threshold)} is tolerated."
            ),
            evidence=Evidence(
                metric="continuation_ratio",
                current=base.percent(share),
                baseline=base.usual_text(usual, history.observed) if usual else None,
                threshold=base.percent(threshold),
                time_window=base.duration(window),
                samples=base.describe_samples(samples),
                details={
                    "unit": "share",
                    "value": base.number(share),
                    "baselineValue": base.number(usual.share) if usual else None,
                    "thresholdValue": threshold,
                    "n": now.n,
                    "k": now.k,
                    "conversations": context.engine.breadth(TRUNCATION, reading.subject, window),
                    "failingConversations": now.bad_conversations,
                    "designEffect": base.number(effect),
                    "interval": [base.number(low), base.number(high)],
                    "baselineHours": history.observed,
                    "rule": (
                        "share of responses with a known end that were cut off, with the"
                        " clustering in conversations taken into account"
                    ),
                    **base.enough(
                        now.n,
                        lambda cut: base.capped(
                            confidence.lies_above(
                                cut / effect, now.n / effect, threshold, usual, PRIOR
                            ),
                            by_event=now.by_event,
                        ),
                        context.settings.min_confidence,
                        "responses cut off",
                        least=threshold * now.n,
                    ),
                    **base.chart(
                        {h: t.k / t.n for h, t in reading.history.items() if t.n}, window, share
                    ),
                },
            ),
            fix=Fix(
                approach="raise_output_limit",
                files=(".env",),
                changes=(
                    f"Raise the output token limit of {who} (max_tokens) and watch its latency",
                    "Ask for shorter answers, or split the tasks that produce the long ones",
                    "Look at the samples: a fence or list left open points to the limit, a"
                    " sentence broken off to a time-out or a filter",
                ),
                effort="30 minutes",
            ),
            acceptance=(
                f"At most {base.percent(threshold)} of the responses of {who} are cut off"
                " over 24 hours",
                "The p95 latency of the responses rises by less than half",
            ),
            confidence=sure,
            impact=share,
            centre=None if centre is None else from_us(centre),
            related_events=base.event_ids(samples),
        )

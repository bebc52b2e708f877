"""What a problem is while it is seen (Finding) and once it is remembered (Card).

A finding is measured and forgotten; a card is a line of the journal that people change. A card
keeps the JSON object that it was read from, because keys, types and statuses that tgt does not
know must survive a rewrite. This module computes; it reads no clock and writes nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from tgt.events import Sample
from tgt.tasks.criterion import Criterion

if TYPE_CHECKING:
    from tgt.tasks.nearby import Nearby
    from tgt.tasks.versions import VersionUse

GENERATED_BY = "tgt"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """3 for critical down to 0 for low."""
        return _SEVERITY_RANK[self]

    @property
    def less(self) -> Severity:
        """One step less, down to low."""
        return next((each for each in Severity if each.rank == self.rank - 1), Severity.LOW)


_SEVERITY_RANK = {
    Severity.CRITICAL: 3,
    Severity.HIGH: 2,
    Severity.MEDIUM: 1,
    Severity.LOW: 0,
}
MOST_BY_SEVERITY, MOST_BY_TOUCHED = 36.0, 64.0
"""How much of a priority the severity makes up at most, and how many suffer."""
_DECADES = 6
"""From a tenth of a conversation a day to a hundred thousand."""
FEW = 0.01
"""A problem that touches a smaller share of the conversations is one step less severe."""


class Status(StrEnum):
    GENERATED = "generated"
    APPROVED = "approved"
    DISMISSED = "dismissed"
    COMPLETED = "completed"


OPEN_STATUSES = (Status.GENERATED, Status.APPROVED)
OPEN = "open"
"""The word for both of them, where a status is asked for."""


class TaskType(StrEnum):
    CONTINUATION = "continuation_issue"
    ERROR_SPIKE = "error_spike"
    DOCS_GAP = "documentation_gap"
    PERFORMANCE = "performance_degradation"
    UX = "ux_issue"
    RECURRING = "recurring_error"
    LOOP = "retry_loop"
    TOKEN_WASTE = "token_waste"  # noqa: S105 no password
    SILENCE = "telemetry_silence"
    CUSTOM = "custom"


def severity_rank(text: str) -> int:
    """Rank of a severity as written in a journal; one that is unknown ranks lowest."""
    try:
        return Severity(text).rank
    except ValueError:
        return -1


@dataclass(frozen=True)
class Fix:
    """A suggested fix; ``effort`` is free text such as ``30 minutes``."""

    approach: str
    changes: tuple[str, ...]
    files: tuple[str, ...] = ()
    effort: str = "unknown"


@dataclass(frozen=True)
class Evidence:
    """What a reader can check. ``details`` and ``samples`` are JSON values with camelCase keys."""

    metric: str
    current: str
    threshold: str
    time_window: str
    baseline: str | None = None
    samples: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Touched:
    """How many conversations a day suffer, and which ``share`` of all of the same time that is,
    where it is known. ``by_event``: there are no conversations, and events stand in for them.

    ``harm`` is how much one of them suffers: 1 if it came to nothing, close to 0 if nobody need
    have noticed.
    """

    per_day: float
    share: float | None = None
    harm: float = 1.0
    by_event: bool = False

    @property
    def is_few(self) -> bool:
        """Whether hardly anybody is touched. Of fewer than 100 conversations one is no longer few;
        how many people stand behind events nobody knows."""
        return self.share is not None and self.share < FEW and not self.by_event

    def lessened(self, severity: Severity) -> Severity:
        """A severity, or one step less where few are touched."""
        return severity.less if self.is_few else severity


_TOUCHED = ("touchedPerDay", "touchedShare")
MEASURED = ("value", "history", *_TOUCHED)
"""What is kept of each look at a problem, of its evidence's details."""


@dataclass(frozen=True)
class Finding:
    """A problem seen in one window.

    ``type`` is a TaskType, or a word of an analyzer that is no part of tgt. ``confidence`` is in
    [0, 1].
    ``centre`` is the median time of the events that count against the subject: the ledger asks it
    whether a problem came after its card was completed. ``examples`` are the events of the samples,
    whose texts are read only when a card is written: what was asked if it ``shows_asked``, else
    what came of it, after what was asked if it ``shows_both``. ``question`` is what an engine was
    asked, in words that only analyzers know, and ``criteria`` what must be true for it to be over.
    ``changes`` are those near its onset, and ``versions`` those of the services that meet it.
    """

    analyzer: str
    type: str
    subject: str
    severity: Severity
    title: str
    description: str
    evidence: Evidence
    fix: Fix
    acceptance: tuple[str, ...]
    confidence: float
    touched: Touched
    centre: datetime | None = None
    related_events: tuple[str, ...] = ()
    examples: tuple[Sample, ...] = ()
    shows_asked: bool = False
    shows_both: bool = False
    question: object = None
    criteria: tuple[Criterion, ...] = ()
    changes: tuple[Nearby, ...] = ()
    versions: tuple[VersionUse, ...] = ()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.type, self.subject)

    @property
    def measurement(self) -> Mapping[str, Any]:
        """Those details of the evidence that are kept of each look at the problem."""
        details = self.evidence.details
        return {key: details[key] for key in MEASURED if key in details}

    @property
    def priority(self) -> int:
        return priority(self.severity, self.confidence, self.touched)


def fingerprint(task_type: str, subject: str) -> str:
    """Identity of a problem: a hash of what it is about, never of what was measured."""
    import hashlib  # only runs make new fingerprints

    return hashlib.sha256(f"{task_type}\0{subject}".encode()).hexdigest()[:16]


def priority(severity: Severity, confidence: float, touched: Touched) -> int:
    """0-100: how severe it is and how many suffer, as far as it is sure."""
    return max(0, min(100, round(sum(priority_parts(severity, touched)) * confidence)))


def priority_parts(severity: Severity, touched: Touched) -> tuple[float, float]:
    """What of a priority the severity makes up, and what those who suffer (ten times as many are
    always as much more). What hardly harms anybody counts less in both."""
    harm = min(max(touched.harm, 0.0), 1.0)
    many = math.log10(1 + 10 * max(touched.per_day, 0.0) * harm) / _DECADES
    severe = severity.rank / Severity.CRITICAL.rank * math.sqrt(harm)
    return MOST_BY_SEVERITY * severe, MOST_BY_TOUCHED * min(many, 1.0)


def format_time(moment: datetime) -> str:
    """UTC, ISO 8601, milliseconds and ``Z``: the one form in which tgt writes a time."""
    utc = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds") + "Z"


def parse_time(text: object) -> datetime | None:
    """An ISO 8601 time of a journal or sidecar (UTC where it has no offset), else None."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def new_id(now: datetime) -> str:
    """A ULID (Crockford base 32: 48 bits of milliseconds, 80 random bits), stamped with ``now``.

    https://github.com/ulid/spec
    """
    moment = max(0, int(now.timestamp() * 1000)) & ((1 << 48) - 1)
    number = moment << 80 | int.from_bytes(os.urandom(10))
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


_DECIDING_KEYS = (
    *("id", "type", "severity", "status", "subject", "fingerprint", "occurrences"),
    *("generatedAt", "savedAt", "updatedAt", "firstSeenAt", "lastSeenAt", "completedAt"),
    *("dismissedAt", "dismissedUntil", "dismissedSeverity", "related"),
    *("approvedAt", "approvedBy", "completedBy", "dismissedBy"),
    *("approvedSeverity", "autoApproved", "confidence"),
)
"""What decisions about other cards rest on; texts and evidence are most of a card's size."""


@dataclass(frozen=True)
class Card:
    """One task as the journal tells it. ``data`` is the whole JSON object; never mutate it.

    The properties are tolerant: a card of another writer may lack a key or hold a value of
    another type there, and must still be listed and changed.
    """

    data: Mapping[str, Any]

    def text(self, key: str) -> str:
        value = self.data.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> float:
        """A finite number; 0 for whatever else is there."""
        value = self.data.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        try:
            real = float(value)
        except OverflowError:
            return 0.0
        return real if math.isfinite(real) else 0.0

    def time(self, key: str) -> datetime | None:
        return parse_time(self.data.get(key))

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.data.get(key)
        return value if isinstance(value, dict) else {}

    def items(self, key: str) -> Sequence[Any]:
        value = self.data.get(key)
        return value if isinstance(value, list) else ()

    @property
    def id(self) -> str:
        return self.text("id")

    @property
    def type(self) -> str:
        return self.text("type")

    @property
    def severity(self) -> str:
        return self.text("severity")

    @property
    def status(self) -> str:
        return self.text("status")

    @property
    def title(self) -> str:
        return self.text("title")

    @property
    def subject(self) -> str:
        return self.text("subject")

    @property
    def fingerprint(self) -> str:
        return self.text("fingerprint")

    @property
    def owner(self) -> str:
        return self.text("owner")

    @property
    def analyzer(self) -> str:
        name = self.mapping("metadata").get("analyzer")
        return name if isinstance(name, str) else ""

    @property
    def seen_at(self) -> datetime | None:
        """When the problem was last seen, as far as the card knows."""
        return self.time("lastSeenAt") or self.time("updatedAt") or self.time("generatedAt")

    @property
    def priority(self) -> float:
        return self.number("priority")

    @property
    def confidence(self) -> float:
        return self.number("confidence")

    @property
    def current(self) -> Card:
        """The card with severity, priority and confidence as the last run that saw the problem
        measured them; for showing and ordering, never to be written."""
        now = Card(self.mapping("now"))
        measured = {key: now.data[key] for key in ("priority", "confidence") if now.number(key)}
        if now.severity:
            measured["severity"] = now.severity
        return self.changed(**measured) if measured else self

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    def brief(self) -> Card:
        """The same card without what only its reader looks at; never to be written."""
        kept = {key: self.data[key] for key in _DECIDING_KEYS if key in self.data}
        return Card({**kept, "metadata": _found_by(self.analyzer)} if self.analyzer else kept)

    def changed(self, **changes: Any) -> Card:
        """A copy with these JSON keys set; a value of None is written as null."""
        return Card({**self.data, **changes})


@cache
def _found_by(analyzer: str) -> Mapping[str, str]:
    """One for all cards of an analyzer."""
    return {"analyzer": analyzer}


def sort_key(card: Card) -> tuple[float, float, float, str]:
    """Best first: priority, then confidence, then newest; the id makes the order total."""
    generated, card = card.time("generatedAt"), card.current
    age = -generated.timestamp() if generated else 0.0
    return (-card.priority, -card.confidence, age, card.id)


def measured(finding: Finding, at: datetime) -> dict[str, Any]:
    """What a finding says of its problem as of a time: a card's key ``now``."""
    measurement = finding.measurement
    return {
        "value": measurement.get("value"),
        "confidence": round(finding.confidence, 4),
        "priority": finding.priority,
        "severity": str(finding.severity),
        "history": list(measurement.get("history", ())),
        **{key: measurement[key] for key in _TOUCHED if key in measurement},
        "at": format_time(at),
    }


def evidence_json(evidence: Evidence) -> dict[str, Any]:
    return {
        "metric": evidence.metric,
        "current": evidence.current,
        "baseline": evidence.baseline,
        "threshold": evidence.threshold,
        "timeWindow": evidence.time_window,
        "samples": [dict(sample) for sample in evidence.samples],
        "details": dict(evidence.details),
    }


def finding_keys(finding: Finding) -> dict[str, Any]:
    """The keys of a card that a finding determines: those renewed when a severity rises."""
    return {
        "severity": str(finding.severity),
        "title": finding.title,
        "description": finding.description,
        "evidence": evidence_json(finding.evidence),
        "suggestedFix": {
            "approach": finding.fix.approach,
            "files": list(finding.fix.files),
            "changes": list(finding.fix.changes),
            "estimatedEffort": finding.fix.effort,
        },
        "acceptanceCriteria": list(finding.acceptance),
        "criteria": [each.document for each in finding.criteria],
        "changes": [each.document for each in finding.changes],
        "priority": finding.priority,
        "confidence": round(finding.confidence, 4),
    }


def new_card(finding: Finding, now: datetime) -> Card:
    """A card for a problem that no card covers; every stamp, and the id's, is ``now``."""
    stamp = format_time(now)
    return Card(
        {
            "id": new_id(now),
            "type": str(finding.type),
            "severity": str(finding.severity),
            "status": str(Status.GENERATED),
            **finding_keys(finding),
            "generatedAt": stamp,
            "generatedBy": GENERATED_BY,
            "savedAt": stamp,
            "metadata": {
                "analyzer": finding.analyzer,
                "relatedEvents": list(finding.related_events),
                "relatedCommits": [],
                "relatedTasks": [],
            },
            "fingerprint": finding.fingerprint,
            "subject": finding.subject,
            "versions": [],
            "occurrences": 1,
            "firstSeenAt": stamp,
            "lastSeenAt": stamp,
            "now": measured(finding, now),
            "related": [],
        }
    )

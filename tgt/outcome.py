"""What one cycle has to say: values from the core to the output, without words or colours."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgt.tasks.card import Card
    from tgt.tasks.ledger import Decision


class SkipReason(StrEnum):
    """Why a cycle did not analyze; each is a successful outcome."""

    NO_EVENTS = "no_events"
    ALREADY_RUNNING = "already_running"
    DISABLED = "disabled"
    PAUSED = "paused"


@dataclass(frozen=True)
class Abstention:
    """A subject that an analyzer did not judge, and what is missing (``11 of 20 calls``)."""

    analyzer: str
    subject: str
    reason: str


@dataclass(frozen=True)
class RunReport:
    """The outcome of one cycle. Counts are of findings; ``duration_ms`` is wall time.

    ``skipped`` excludes all the rest; ``message`` always says what happened in one line.
    ``approved`` are those of the saved cards that tgt approved itself.
    ``warnings`` are failures, ``notices`` what people should know although nothing failed.
    ``newest_event`` is when the last event was, also if it lies before the window; of those before
    there are ``older_events`` where the window has none, and ``instead`` is a command that shows
    them.
    """

    message: str
    skipped: SkipReason | None = None
    dry_run: bool = False
    rate_limited: bool = False
    generated: int = 0
    filtered: int = 0
    saved: int = 0
    covered: int = 0
    deferred: int = 0
    muted: int = 0
    reopened: int = 0
    completed: int = 0
    approved: int = 0
    events_analyzed: int = 0
    newest_event: datetime | None = None
    older_events: int = 0
    instead: str = ""
    malformed_lines: int = 0
    duration_ms: int = 0
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    abstained: tuple[Abstention, ...] = ()
    decisions: tuple[Decision, ...] = ()
    tasks: tuple[Card, ...] = field(default=())

    @property
    def quiet(self) -> int:
        """How many of the ``covered`` are so because somebody dismissed or completed the task; what
        is ``muted`` is not among them."""
        return sum(decision.action == "suppress" for decision in self.decisions) - self.muted

    @property
    def degraded(self) -> bool:
        """The cycle did its work, but an analyzer or a telemetry file failed: exit status 4."""
        return bool(self.warnings)

"""What the program can be told: every setting with its default, its bounds and its one line.

The options of analyzers are not here but with them (``tgt.options``). Where values come from, and
what is said of one that is not usable, is in ``tgt.config``.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

# Plug-ins of pydantic serve applications that have some; looking for them takes as long as a small
# command, and none of them has business in a job that runs unattended.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from tgt import plugins, quiet_hours, redact, targets
from tgt.environment import CONTEXTLOG_DIR, INTERVAL_MIN, TASKS_DIR
from tgt.options import Option
from tgt.quiet_hours import QuietHours
from tgt.redact import redact as mask_text
from tgt.rules.rule import WORD, Rules
from tgt.sources.spec import Spec, parse
from tgt.targets import Target
from tgt.tasks.card import Severity

T = TypeVar("T")

ANALYZERS = tuple(plugins.BUILT_IN[plugins.ANALYZERS])
"""The analyzers that come with tgt, in their order."""

VARIES = "varies"
"""Marks what decides what becomes a card, as all options of analyzers do."""

_SEVERITIES = tuple(map(str, Severity))
_MOST_PER_HOUR = 10000
NO_RULES = "none"

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _switch(value: object) -> object:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
    if isinstance(value, bool):
        return value
    raise ValueError("1 or 0 (also true/false, yes/no, on/off)")


def _names(value: object) -> object:
    """Names of analyzers, and the word for all rules; what is installed is looked at only where tgt
    has no such one."""
    if isinstance(value, tuple):
        return value
    words = [word.strip().lower().replace("-", "_") for word in str(value).split(",")]
    chosen = dict.fromkeys(word for word in words if word)
    if "all" in chosen:
        chosen = dict.fromkeys((*ANALYZERS, *(word for word in chosen if word != "all")))
    known = (*ANALYZERS, WORD)
    if not set(chosen) <= set(known):
        known = (*plugins.names(plugins.ANALYZERS), WORD)
    if not chosen or not set(chosen) <= set(known):
        raise ValueError(f"a comma-separated choice of {', '.join(known)}, or all")
    return tuple(name for name in known if name in chosen)


def _patterns(value: object) -> object:
    if isinstance(value, tuple):
        return value
    from tgt.redact import own  # few have patterns of their own

    text = str(value)
    try:
        path = Path(text).expanduser()
        if path.is_file():
            text = path.read_text(encoding="utf-8") + "\n"
    except (OSError, ValueError, RuntimeError):
        pass
    patterns = tuple(own.separated(text))
    own.compiled(patterns)
    return patterns


def _redaction(value: object) -> object:
    word = str(value).strip().lower()
    if word not in redact.MODES:
        raise ValueError(" or ".join(redact.MODES))
    return word


def paths(value: object) -> object:
    if isinstance(value, tuple):
        return value
    return tuple(Path(part.strip()).expanduser() for part in str(value).split(",") if part.strip())


def _sources(value: object) -> object:
    return value if isinstance(value, tuple) else parse(str(value))


@dataclass(frozen=True)
class Secret:
    """What is used and never shown."""

    text: str = field(default="", repr=False)

    def __str__(self) -> str:
        return targets.MASKED if self.text else ""


def _secret(value: object) -> object:
    return value if isinstance(value, Secret) else Secret(str(value))


def _targets(value: object) -> object:
    return value if isinstance(value, tuple) else targets.parse(str(value))


def _severity(value: object) -> object:
    word = str(value).strip().lower()
    if word not in _SEVERITIES:
        raise ValueError(f"{', '.join(_SEVERITIES[:-1])} or {_SEVERITIES[-1]}")
    return word


def _quiet_hours(value: object) -> object:
    return value if isinstance(value, QuietHours) else quiet_hours.parse(str(value))


def _rules(value: object) -> object:
    """The place of a rules file, which ``tgt.config`` reads."""
    if isinstance(value, Rules):
        return value
    text = str(value).strip()
    if text.lower() == NO_RULES:
        return Rules()
    try:
        path = Path(text).expanduser()
        if path.is_file():
            return Rules(path)
    except (OSError, ValueError, RuntimeError):
        pass
    raise ValueError(f"the path of a file with rules, or {NO_RULES}")


def _directory(value: object) -> object:
    text = str(value).strip()
    if not text or "\0" in text:
        raise ValueError("the path of a directory")
    return Path(text).expanduser()


def _pairs(value: object) -> list[tuple[str, str]]:
    """Each part of a comma-separated list as what stands before its first = and after it."""
    parts = (part.partition("=") for part in str(value).split(",") if part.strip())
    return [(before.strip(), after.strip()) for before, _, after in parts]


class ServiceName(NamedTuple):
    """What services are called that match a glob."""

    name: str
    glob: str

    def __str__(self) -> str:
        return f"{self.name}={self.glob}"


def _services(value: object) -> object:
    if isinstance(value, tuple):
        return value
    pairs = _pairs(value)
    if not all(name and glob and "@" not in name for name, glob in pairs):
        raise ValueError("a comma-separated list of NAME=GLOB")
    return tuple(ServiceName(*pair) for pair in pairs)


class AnalyzerQuota(NamedTuple):
    """How many tasks of one analyzer may be saved in an hour."""

    analyzer: str
    per_hour: int

    def __str__(self) -> str:
        return f"{self.analyzer}={self.per_hour}"


def _analyzer_quotas(value: object) -> object:
    """Which rules there are is not known here: a name of one is taken as it is."""
    if isinstance(value, tuple):
        return value
    quotas = [_analyzer_quota(name, number) for name, number in _pairs(value)]
    unusual = {q.analyzer for q in quotas if q and not q.analyzer.startswith(f"{WORD}/")}
    known = ANALYZERS
    if not unusual <= set(known):
        known = plugins.names(plugins.ANALYZERS)
    named = [quota.analyzer for quota in quotas if quota]
    if not named or None in quotas or not unusual <= set(known) or len({*named}) < len(named):
        raise ValueError(
            f"a comma-separated list of ANALYZER=N, each analyzer once: {', '.join(known)} or"
            f" {WORD}/NAME, and N a whole number from 0 to {_MOST_PER_HOUR}"
        )
    return tuple(quota for quota in quotas if quota)


def _analyzer_quota(name: str, number: str) -> AnalyzerQuota | None:
    if not name.startswith(f"{WORD}/"):
        name = name.lower().replace("-", "_")
    is_number = number.isascii() and number.isdigit() and len(number) <= len(str(_MOST_PER_HOUR))
    if name in {"", f"{WORD}/"} or not is_number or int(number) > _MOST_PER_HOUR:
        return None
    return AnalyzerQuota(name, int(number))


class Settings(BaseModel):
    """Every setting; ``description`` is its one line of explanation.

    ``options`` are those of the analyzers, by variable, that differ from their defaults.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contextlog_dir: Annotated[Path, BeforeValidator(_directory)] = Field(
        default=Path(CONTEXTLOG_DIR),
        alias="FGK_CONTEXTLOG_DIR",
        description="directory of the ContextLog files; read only, never written",
    )
    source: Annotated[tuple[Spec, ...], BeforeValidator(_sources)] = Field(
        default=(),
        alias="TASKGEN_SOURCE",
        description="where telemetry is read, as in claude-code,codex; unset: what there is",
    )
    tasks_dir: Annotated[Path, BeforeValidator(_directory)] = Field(
        default=Path(TASKS_DIR),
        alias="FGK_TASKS_DIR",
        description="directory of the task journal, the scheduler sidecar and the cache",
    )
    enabled: Annotated[bool, BeforeValidator(_switch)] = Field(
        default=True, alias="TASKGEN_ENABLED", description="0 is the kill switch: runs are skipped"
    )
    interval_min: int = Field(
        default=INTERVAL_MIN,
        ge=1,
        le=1440,
        alias="TASKGEN_INTERVAL_MIN",
        description="minutes between runs; the timer owns it, tgt uses it to notice overdue runs",
    )
    window_min: Annotated[int, VARIES] = Field(
        default=60,
        ge=1,
        le=10080,
        alias="TASKGEN_WINDOW_MIN",
        description="minutes of telemetry that a run analyzes",
    )
    min_confidence: Annotated[float, VARIES] = Field(
        default=0.7,
        ge=0,
        le=1,
        allow_inf_nan=False,
        alias="TASKGEN_MIN_CONFIDENCE",
        description="findings less certain than this are filtered out",
    )
    max_tasks: Annotated[int, VARIES] = Field(
        default=10,
        ge=1,
        le=1000,
        alias="TASKGEN_MAX_TASKS",
        description="tasks saved per run",
    )
    max_per_hour: Annotated[int, VARIES] = Field(
        default=10,
        ge=0,
        le=_MOST_PER_HOUR,
        alias="TASKGEN_MAX_PER_HOUR",
        description="tasks saved per rolling hour, across runs and restarts",
    )
    analyzer_max_per_hour: Annotated[
        tuple[AnalyzerQuota, ...], BeforeValidator(_analyzer_quotas), VARIES
    ] = Field(
        default=(),
        alias="TASKGEN_ANALYZER_MAX_PER_HOUR",
        description="the same for single analyzers, as in docs_gap=2,performance=5",
    )
    analyzers: Annotated[tuple[str, ...], BeforeValidator(_names), VARIES] = Field(
        default=ANALYZERS,
        alias="TASKGEN_ANALYZERS",
        description="comma-separated names of the analyzers to run, or all",
    )
    baseline_days: Annotated[int, VARIES] = Field(
        default=7,
        ge=1,
        le=90,
        alias="TASKGEN_BASELINE_DAYS",
        description="days before the window that the baseline reaches back",
    )
    rules: Annotated[InstanceOf[Rules], BeforeValidator(_rules)] = Field(
        default=Rules(),
        alias="TASKGEN_RULES",
        description="file with rules of your own; unset: rules.toml beside the settings file",
    )
    reputation: Annotated[bool, BeforeValidator(_switch)] = Field(
        default=True,
        alias="TASKGEN_REPUTATION",
        description="1 lowers the priority of cards whose like people keep dismissing",
    )
    auto_approve: int = Field(
        default=0,
        ge=0,
        le=1000,
        alias="TASKGEN_AUTO_APPROVE",
        description="new tasks a day that tgt may approve if people approved all their like",
    )
    services: Annotated[tuple[ServiceName, ...], BeforeValidator(_services)] = Field(
        default=(),
        alias="TASKGEN_SERVICES",
        description="names of services that belong together, as in shop=shop-*,shop=old-shop",
    )
    memory_mb: int = Field(
        default=256,
        ge=64,
        le=65536,
        alias="TASKGEN_MEMORY_MB",
        description="MB that the engine may use; a run puts the rest in the cache directory",
    )
    clickhouse_password: Annotated[InstanceOf[Secret], BeforeValidator(_secret)] = Field(
        default=Secret(),
        alias="TASKGEN_CLICKHOUSE_PASSWORD",
        description="the password of the user whom TASKGEN_SOURCE=clickhouse:… names",
    )
    redact: Annotated[str, BeforeValidator(_redaction)] = Field(
        default=redact.STANDARD,
        alias="TASKGEN_REDACT",
        description="standard masks credentials in evidence; strict e-mail addresses too",
    )
    redact_patterns: Annotated[tuple[str, ...], BeforeValidator(_patterns)] = Field(
        default=(),
        alias="TASKGEN_REDACT_PATTERNS",
        description="patterns of your own to mask: a file with one a line, or a list with commas",
    )
    notify: Annotated[tuple[Target, ...], BeforeValidator(_targets)] = Field(
        default=(),
        alias="TASKGEN_NOTIFY",
        description="whom tgt notify tells: Apprise URLs and exec:COMMAND, with commas or spaces",
    )
    notify_min_severity: Annotated[str, BeforeValidator(_severity)] = Field(
        default=str(Severity.HIGH),
        alias="TASKGEN_NOTIFY_MIN_SEVERITY",
        description="the least severity that tgt notify tells",
    )
    notify_quiet_hours: Annotated[QuietHours, BeforeValidator(_quiet_hours)] = Field(
        default=QuietHours(),
        alias="TASKGEN_NOTIFY_QUIET_HOURS",
        description="hours in which nobody is told, as in 22:00-07:00; told at their end",
    )
    options: dict[str, Any] = Field(default_factory=dict)

    def option(self, option: Option[T], subject: str = "") -> T:
        """The value of an analyzer's option, or the one that a subject has of its own."""
        value: T = self.options.get(option.variable, option.default)
        own: T | None = self.rules.limit(option.variable, subject) if subject else None
        return value if own is None else own

    @property
    def asks_rules(self) -> bool:
        """Whether the rules take part: with all analyzers, or where they are named."""
        return WORD in self.analyzers or set(ANALYZERS) <= set(self.analyzers)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of all analyzers that a run asks, those of rules among them."""
        rules = self.rules.rules if self.asks_rules else ()
        named = (name for name in self.analyzers if name != WORD)
        return (*named, *(rule.analyzer for rule in rules))

    def masked(self, text: str) -> str:
        """The text without what looks like a credential, as it may leave the program."""
        return mask_text(text, self.redact, _compiled(self.redact_patterns))


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    if not patterns:
        return ()
    from tgt.redact import own  # few have patterns of their own

    return own.compiled(patterns)

"""The effective settings: one frozen, validated object, and the only reader of the environment.

Strongest first: command-line options, the process environment, a ``.env`` file. A value that
cannot be used stops the program before any work starts, and the message names the variable, the
value and what is accepted. Names beginning with ``TASKGEN_`` that tgt does not know are reported
as likely misspellings, never silently ignored.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

# Plug-ins of pydantic serve applications that have some; looking for them takes as long as a small
# command, and none of them has business in a job that runs unattended.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tgt import redact
from tgt.errors import SettingsError
from tgt.sources.spec import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANALYZERS = ("continuation", "error_spike", "docs_gap", "performance", "ux_issue")

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


def _integer(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> int:
        accepted = f"a whole number from {low} to {high}"
        try:
            number = int(str(value).strip())
        except ValueError:
            raise ValueError(accepted) from None
        if not low <= number <= high:
            raise ValueError(accepted)
        return number

    return BeforeValidator(check)


def _real(low: float, high: float, *, above: bool = False) -> BeforeValidator:
    def check(value: object) -> float:
        accepted = (
            f"a number {'above' if above else 'from'} {low:g} {'up ' if above else ''}to {high:g}"
        )
        try:
            number = float(str(value).strip())
        except ValueError:
            raise ValueError(accepted) from None
        if not math.isfinite(number) or not low <= number <= high or (above and number == low):
            raise ValueError(accepted)
        return number

    return BeforeValidator(check)


def _names(value: object) -> object:
    accepted = f"a comma-separated choice of {', '.join(ANALYZERS)}, or all"
    if isinstance(value, tuple):
        return value
    words = [word.strip().lower().replace("-", "_") for word in str(value).split(",")]
    words = [word for word in words if word]
    if words == ["all"]:
        return ANALYZERS
    if not words or any(word not in ANALYZERS for word in words):
        raise ValueError(accepted)
    return tuple(name for name in ANALYZERS if name in words)


def _redaction(value: object) -> object:
    word = str(value).strip().lower()
    if word not in redact.MODES:
        raise ValueError(" or ".join(redact.MODES))
    return word


def _paths(value: object) -> object:
    if isinstance(value, tuple):
        return value
    return tuple(Path(part.strip()).expanduser() for part in str(value).split(",") if part.strip())


def _sources(value: object) -> object:
    return value if isinstance(value, tuple) else parse(str(value))


def _directory(value: object) -> object:
    text = str(value).strip()
    if not text or "\0" in text:
        raise ValueError("the path of a directory")
    return Path(text).expanduser()


class Settings(BaseModel):
    """Every setting; ``description`` is its one line of explanation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contextlog_dir: Annotated[Path, BeforeValidator(_directory)] = Field(
        default=Path(".forgekeeper/context_log"),
        alias="FGK_CONTEXTLOG_DIR",
        description="directory of the ContextLog files; read only, never written",
    )
    source: Annotated[tuple[Spec, ...], BeforeValidator(_sources)] = Field(
        default=(Spec("contextlog"),),
        alias="TASKGEN_SOURCE",
        description="where telemetry is read: contextlog, claude-code, codex, otlp, ndjson or auto",
    )
    tasks_dir: Annotated[Path, BeforeValidator(_directory)] = Field(
        default=Path(".forgekeeper/tasks"),
        alias="FGK_TASKS_DIR",
        description="directory of the task journal, the scheduler sidecar and the cache",
    )
    enabled: Annotated[bool, BeforeValidator(_switch)] = Field(
        default=True, alias="TASKGEN_ENABLED", description="0 is the kill switch: runs are skipped"
    )
    interval_min: Annotated[int, _integer(1, 1440)] = Field(
        default=15,
        alias="TASKGEN_INTERVAL_MIN",
        description="minutes between runs; the timer owns it, tgt uses it to notice overdue runs",
    )
    window_min: Annotated[int, _integer(1, 10080)] = Field(
        default=60,
        alias="TASKGEN_WINDOW_MIN",
        description="minutes of telemetry that a run analyzes",
    )
    min_confidence: Annotated[float, _real(0, 1)] = Field(
        default=0.7,
        alias="TASKGEN_MIN_CONFIDENCE",
        description="findings less certain than this are filtered out",
    )
    max_tasks: Annotated[int, _integer(1, 1000)] = Field(
        default=10, alias="TASKGEN_MAX_TASKS", description="tasks saved per run"
    )
    max_per_hour: Annotated[int, _integer(0, 10000)] = Field(
        default=10,
        alias="TASKGEN_MAX_PER_HOUR",
        description="tasks saved per rolling hour, across runs and restarts",
    )
    continuation_threshold: Annotated[float, _real(0, 1)] = Field(
        default=0.15,
        alias="TASKGEN_CONTINUATION_THRESHOLD",
        description="share of responses that may be truncated",
    )
    error_spike_multiplier: Annotated[float, _real(1, 1000, above=True)] = Field(
        default=3.0,
        alias="TASKGEN_ERROR_SPIKE_MULTIPLIER",
        description="failing share of conversations against the subject's own baseline",
    )
    docs_gap_min_usage: Annotated[int, _integer(1, 1000000)] = Field(
        default=20,
        alias="TASKGEN_DOCS_GAP_MIN_USAGE",
        description="calls of one undocumented tool in the window",
    )
    performance_threshold: Annotated[float, _real(1, 1000, above=True)] = Field(
        default=1.5,
        alias="TASKGEN_PERFORMANCE_THRESHOLD",
        description="p95 latency against the p95 of the baseline",
    )
    ux_abort_threshold: Annotated[float, _real(0, 1)] = Field(
        default=0.20,
        alias="TASKGEN_UX_ABORT_THRESHOLD",
        description="share of conversations that may be aborted",
    )
    analyzers: Annotated[tuple[str, ...], BeforeValidator(_names)] = Field(
        default=ANALYZERS,
        alias="TASKGEN_ANALYZERS",
        description="comma-separated names of the analyzers to run, or all",
    )
    docs_paths: Annotated[tuple[Path, ...], BeforeValidator(_paths)] = Field(
        default=(Path("docs"), Path("README.md")),
        alias="TASKGEN_DOCS_PATHS",
        description="comma-separated files and directories where documentation of tools is sought",
    )
    baseline_days: Annotated[int, _integer(1, 90)] = Field(
        default=7,
        alias="TASKGEN_BASELINE_DAYS",
        description="days before the window that the baseline reaches back",
    )
    memory_mb: Annotated[int, _integer(64, 65536)] = Field(
        default=256,
        alias="TASKGEN_MEMORY_MB",
        description="MB that the engine may use; a run puts the rest in the cache directory",
    )
    redact: Annotated[str, BeforeValidator(_redaction)] = Field(
        default=redact.STANDARD,
        alias="TASKGEN_REDACT",
        description="standard masks credentials in evidence; strict e-mail addresses too",
    )


VARIABLES: tuple[str, ...] = tuple(
    field.alias for field in Settings.model_fields.values() if field.alias
)
_NAME_OF_ALIAS = {field.alias: name for name, field in Settings.model_fields.items()}


def default_text(variable: str) -> str:
    """The default of a variable as it is written in a ``.env`` file."""
    value = Settings.model_fields[_NAME_OF_ALIAS[variable]].default
    if variable == "TASKGEN_ANALYZERS":
        return "all"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def description(variable: str) -> str:
    return Settings.model_fields[_NAME_OF_ALIAS[variable]].description or ""


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Merge options (keyed by variable name; None means not given), environment and ``.env``.

    An empty value counts as not set, as in the original. Raises SettingsError.
    """
    layers: list[Mapping[str, Any]] = [
        _read_env_file(env_file),
        os.environ if environ is None else environ,
        {name: value for name, value in (overrides or {}).items() if value is not None},
    ]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(
            {name: layer[name] for name in VARIABLES if layer.get(name) not in (None, "")}
        )
    try:
        return Settings.model_validate(merged)
    except ValidationError as failure:
        raise SettingsError(_explain(failure)) from None


def names(env_file: Path | None = None) -> set[str]:
    """Every name that the environment and the ``.env`` file set, known to tgt or not."""
    return {*os.environ, *_read_env_file(env_file)}


def misspelled(names: Iterable[str]) -> dict[str, str]:
    """``TASKGEN_`` names that tgt does not know, with the one that each resembles or ``""``."""
    unknown = sorted(n for n in names if n.startswith("TASKGEN_") and n not in VARIABLES)
    if not unknown:
        return {}
    import difflib  # noqa: PLC0415 mistakes are rare

    return {n: next(iter(difflib.get_close_matches(n, VARIABLES, 1)), "") for n in unknown}


def _read_env_file(path: Path | None) -> Mapping[str, str | None]:
    chosen = path if path is not None else Path(".env")
    try:
        if path is None and not chosen.is_file():
            return {}
        from dotenv import dotenv_values  # noqa: PLC0415 most settings are no file's

        with chosen.open(encoding="utf-8") as stream:
            return dotenv_values(stream=stream, interpolate=False)
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not UTF-8 text"
        raise SettingsError(
            f"cannot read the settings file {chosen}: {reason}",
            hint="name a readable file with --env-file, or leave the option out",
        ) from None


def _explain(failure: ValidationError) -> str:
    lines = []
    for problem in failure.errors():
        variable = str(problem["loc"][0])
        accepted = str(problem.get("ctx", {}).get("error", problem["msg"]))
        lines.append(f"{variable}={str(problem['input'])!r} is not usable: accepted is {accepted}")
    return "; ".join(lines)

"""The effective settings: one frozen, validated object, and the only reader of the environment.

Strongest first: command-line options, the process environment, a settings file. A value that
cannot be used stops the program before any work starts, and the message names the variable, the
value and what is accepted. Names beginning with ``TASKGEN_`` that tgt does not know are reported
as likely misspellings, never silently ignored.

The settings of the program stand here; those of an analyzer are its options, and its module is
loaded only when one of them is set or asked for.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

# Plug-ins of pydantic serve applications that have some; looking for them takes as long as a small
# command, and none of them has business in a job that runs unattended.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model

from tgt import plugins, redact
from tgt.environment import TASKS_DIR, settings_files
from tgt.errors import SettingsError
from tgt.options import Kind, Option
from tgt.plugins import PluginError
from tgt.sources.spec import Spec, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo

T = TypeVar("T")

ANALYZERS = tuple(plugins.BUILT_IN[plugins.ANALYZERS])
"""The analyzers that come with tgt, in their order."""

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_VARIES = "varies"
"""Marks what decides what becomes a card, as all options of analyzers do."""


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
    """Names of analyzers; what is installed is looked at only where tgt has no such one."""
    if isinstance(value, tuple):
        return value
    words = [word.strip().lower().replace("-", "_") for word in str(value).split(",")]
    chosen = dict.fromkeys(word for word in words if word)
    if "all" in chosen:
        chosen = dict.fromkeys((*ANALYZERS, *(word for word in chosen if word != "all")))
    known = ANALYZERS
    if not set(chosen) <= set(known):
        known = plugins.names(plugins.ANALYZERS)
    if not chosen or not set(chosen) <= set(known):
        raise ValueError(f"a comma-separated choice of {', '.join(known)}, or all")
    return tuple(name for name in known if name in chosen)


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
    """Every setting; ``description`` is its one line of explanation.

    ``options`` are those of the analyzers, by variable, that differ from their defaults.
    """

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
        default=Path(TASKS_DIR),
        alias="FGK_TASKS_DIR",
        description="directory of the task journal, the scheduler sidecar and the cache",
    )
    enabled: Annotated[bool, BeforeValidator(_switch)] = Field(
        default=True, alias="TASKGEN_ENABLED", description="0 is the kill switch: runs are skipped"
    )
    interval_min: int = Field(
        default=15,
        ge=1,
        le=1440,
        alias="TASKGEN_INTERVAL_MIN",
        description="minutes between runs; the timer owns it, tgt uses it to notice overdue runs",
    )
    window_min: Annotated[int, _VARIES] = Field(
        default=60,
        ge=1,
        le=10080,
        alias="TASKGEN_WINDOW_MIN",
        description="minutes of telemetry that a run analyzes",
    )
    min_confidence: Annotated[float, _VARIES] = Field(
        default=0.7,
        ge=0,
        le=1,
        allow_inf_nan=False,
        alias="TASKGEN_MIN_CONFIDENCE",
        description="findings less certain than this are filtered out",
    )
    max_tasks: Annotated[int, _VARIES] = Field(
        default=10,
        ge=1,
        le=1000,
        alias="TASKGEN_MAX_TASKS",
        description="tasks saved per run",
    )
    max_per_hour: Annotated[int, _VARIES] = Field(
        default=10,
        ge=0,
        le=10000,
        alias="TASKGEN_MAX_PER_HOUR",
        description="tasks saved per rolling hour, across runs and restarts",
    )
    analyzers: Annotated[tuple[str, ...], BeforeValidator(_names), _VARIES] = Field(
        default=ANALYZERS,
        alias="TASKGEN_ANALYZERS",
        description="comma-separated names of the analyzers to run, or all",
    )
    baseline_days: Annotated[int, _VARIES] = Field(
        default=7,
        ge=1,
        le=90,
        alias="TASKGEN_BASELINE_DAYS",
        description="days before the window that the baseline reaches back",
    )
    memory_mb: int = Field(
        default=256,
        ge=64,
        le=65536,
        alias="TASKGEN_MEMORY_MB",
        description="MB that the engine may use; a run puts the rest in the cache directory",
    )
    redact: Annotated[str, BeforeValidator(_redaction)] = Field(
        default=redact.STANDARD,
        alias="TASKGEN_REDACT",
        description="standard masks credentials in evidence; strict e-mail addresses too",
    )
    options: dict[str, Any] = Field(default_factory=dict)

    def option(self, option: Option[T]) -> T:
        """The value of an analyzer's option."""
        value: T = self.options.get(option.variable, option.default)
        return value


_NAMES = {field.alias: name for name, field in Settings.model_fields.items() if field.alias}
_FIELDS = {variable: Settings.model_fields[name] for variable, name in _NAMES.items()}


def options_of(analyzers: Iterable[str] = ANALYZERS) -> dict[str, Option[Any]]:
    """The options of tgt's analyzers, and of others that are named, by variable.

    Those of an analyzer that cannot be loaded are left out: who runs it says why.
    """
    return _options(tuple(dict.fromkeys((*ANALYZERS, *analyzers))))


@cache
def _options(analyzers: tuple[str, ...]) -> dict[str, Option[Any]]:
    declared: dict[str, Option[Any]] = {}
    for name in analyzers:
        try:
            options: Iterable[Option[Any]] = plugins.analyzer(name).options
        except PluginError:
            continue
        for option in options:
            if option.variable not in _FIELDS:
                declared.setdefault(option.variable, option)
    return declared


def variables(analyzers: Iterable[str] = ANALYZERS) -> tuple[str, ...]:
    """The names of all settings: the program's, then the options of analyzers."""
    return (*_FIELDS, *options_of(analyzers))


def varying(analyzers: Iterable[str] = ANALYZERS) -> tuple[str, ...]:
    """The settings that decide what becomes a card: those that a back-test can vary."""
    own = (variable for variable, field in _FIELDS.items() if _VARIES in field.metadata)
    return (*own, *options_of(analyzers))


def default_text(variable: str) -> str:
    """The default of a variable as it is written in a ``.env`` file."""
    if variable == "TASKGEN_ANALYZERS":
        return "all"
    field = _FIELDS.get(variable)
    return _text(options_of()[variable].default if field is None else field.default)


def description(variable: str) -> str:
    field = _FIELDS.get(variable)
    return options_of()[variable].help if field is None else field.description or ""


def effective(settings: Settings) -> dict[str, str]:
    """Every variable with its value, as it is written in a ``.env`` file."""
    own = {variable: _text(getattr(settings, name)) for variable, name in _NAMES.items()}
    options = options_of(settings.analyzers).values()
    return own | {option.variable: _text(settings.option(option)) for option in options}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(str(part) for part in value)
    return str(value)


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: Path | None = None,
) -> Settings:
    """Merge options (keyed by variable name; None means not given), environment and ``.env``.

    An empty value counts as not set, as in the original. Raises SettingsError.
    """
    given: dict[str, Any] = {}
    for layer in (
        _read_env_file(env_file),
        os.environ if environ is None else environ,
        overrides or {},
    ):
        names = (name for name in layer if name in _FIELDS or name.startswith("TASKGEN_"))
        given.update({name: layer[name] for name in names if layer[name] not in (None, "")})
    return settings_of(given)


def settings_of(values: Mapping[str, Any]) -> Settings:
    """The settings that these values make, by variable; those of no setting are left aside.

    Raises SettingsError, which names every value that is not usable.
    """
    own = {name: value for name, value in values.items() if name in _FIELDS}
    others = {name: value for name, value in values.items() if name not in _FIELDS}
    problems: list[str] = []
    settings = Settings()
    try:
        settings = Settings.model_validate(own)
    except ValidationError as failure:
        problems += _explained(failure, _FIELDS)
    if others:
        options, refused = _chosen_options(others, settings.analyzers)
        problems += refused
        settings = settings.model_copy(update={"options": options})
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def _chosen_options(
    given: Mapping[str, Any], analyzers: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The options that are set to other values than their defaults, and what is not usable."""
    known = {name: option for name, option in options_of(analyzers).items() if name in given}
    fields: dict[str, Any] = {name: (_annotated(option), ...) for name, option in known.items()}
    model = create_model("Options", **fields)
    try:
        read = model.model_validate({name: given[name] for name in known})
    except ValidationError as failure:
        return {}, [*_explained(failure, model.model_fields)]
    values = {name: getattr(read, name) for name in known}
    return {name: value for name, value in values.items() if value != known[name].default}, []


def _annotated(option: Option[Any]) -> Any:
    if option.kind is Kind.PATHS:
        return Annotated[tuple[Path, ...], BeforeValidator(_paths)]
    bounds: dict[str, Any] = {"gt" if option.above else "ge": option.low, "le": option.high}
    if option.kind is Kind.INT:
        return Annotated[int, Field(**bounds)]
    return Annotated[float, Field(allow_inf_nan=False, **bounds)]


def names(env_file: Path | None = None) -> set[str]:
    """Every name that the environment and the ``.env`` file set, known to tgt or not."""
    return {*os.environ, *_read_env_file(env_file)}


def misspelled(names: Iterable[str], analyzers: Iterable[str] = ANALYZERS) -> dict[str, str]:
    """``TASKGEN_`` names that neither tgt nor one of the analyzers knows, with the one that each
    resembles or ``""``."""
    strange = {name for name in names if name.startswith("TASKGEN_") and name not in _FIELDS}
    known = variables(analyzers) if strange else ()
    unknown = sorted(strange.difference(known))
    if not unknown:
        return {}
    import difflib  # noqa: PLC0415 mistakes are rare

    return {n: next(iter(difflib.get_close_matches(n, known, 1)), "") for n in unknown}


def _read_env_file(path: Path | None) -> Mapping[str, str | None]:
    """What the settings file says: the one that is named, or else the first there is."""
    chosen = path or next(filter(os.path.isfile, settings_files()), None)
    if chosen is None:
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 most settings are no file's

    try:
        with chosen.open(encoding="utf-8") as stream:
            return dotenv_values(stream=stream, interpolate=False)
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not UTF-8 text"
        raise SettingsError(
            f"cannot read the settings file {chosen}: {reason}",
            hint="name a readable file with --env-file, or leave the option out",
        ) from None


def _explained(failure: ValidationError, fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for problem in failure.errors():
        variable = str(problem["loc"][0])
        said = str(problem.get("ctx", {}).get("error", problem["msg"]))
        accepted = _bounds(fields[variable]) or said
        yield f"{variable}={str(problem['input'])!r} is not usable: accepted is {accepted}"


def _bounds(field: FieldInfo) -> str:
    """What a number may be, in words; empty for what is none."""
    bound = {
        name: getattr(each, name)
        for each in field.metadata
        for name in ("ge", "gt", "le")
        if hasattr(each, name)
    }
    if field.annotation is int:
        return f"a whole number from {bound['ge']} to {bound['le']}"
    if field.annotation is float and "gt" in bound:
        return f"a number above {bound['gt']:g} up to {bound['le']:g}"
    return f"a number from {bound['ge']:g} to {bound['le']:g}" if field.annotation is float else ""

"""The effective settings: the only reader of the environment and of the settings file.

Strongest first: command-line options, the process environment, a settings file. A value that
cannot be used stops the program before any work starts, and the message names the variable, the
value and what is accepted. Names beginning with ``TASKGEN_`` that tgt does not know are reported
as likely misspellings, never silently ignored.

The modules of analyzers are loaded only when one of their options is set or asked for.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError, create_model

from tgt import plugins, redact
from tgt.environment import RULES_FILE, settings_files
from tgt.errors import SettingsError
from tgt.options import Kind, Option
from tgt.plugins import PluginError
from tgt.rules.rule import WORD, Limit, Rules
from tgt.settings import ANALYZERS, VARIES, Settings, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo

    from tgt.rules.reading import RulesFile

__all__ = ["ANALYZERS", "Settings"]

_NAMES = {field.alias: name for name, field in Settings.model_fields.items() if field.alias}
_RULES = "TASKGEN_RULES"
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
    own = (variable for variable, field in _FIELDS.items() if VARIES in field.metadata)
    return (*own, *options_of(analyzers))


def default_text(variable: str, analyzers: Iterable[str] = ANALYZERS) -> str:
    """The default of a variable as it is written in a ``.env`` file."""
    if variable == "TASKGEN_ANALYZERS":
        return "all"
    field = _FIELDS.get(variable)
    return _text(options_of(analyzers)[variable].default if field is None else field.default)


def description(variable: str, analyzers: Iterable[str] = ANALYZERS) -> str:
    """What a setting is, in one line."""
    field = _FIELDS.get(variable)
    if field is None:
        return options_of(analyzers)[variable].help
    return field.description or ""


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
    return settings_of(_set_values(overrides, environ, env_file))


def _set_values(
    overrides: Mapping[str, Any] | None,
    environ: Mapping[str, str] | None,
    env_file: Path | None,
) -> dict[str, Any]:
    """What is set, by variable."""
    values: dict[str, Any] = {}
    for layer in (
        _read_env_file(env_file),
        os.environ if environ is None else environ,
        overrides or {},
    ):
        names = (name for name in layer if name in _FIELDS or name.startswith("TASKGEN_"))
        values.update({name: layer[name] for name in names if layer[name] not in (None, "")})
    if _RULES not in values and (beside := _rules_beside(env_file)):
        values[_RULES] = str(beside)
    return values


def _rules_beside(env_file: Path | None) -> Path | None:
    """The rules file beside the settings file, if there is one."""
    file = file_in_force(env_file)
    beside = None if file is None else file.parent / RULES_FILE
    return beside if beside is not None and beside.is_file() else None


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
    is_known = _RULES not in own  # which rules there are
    if settings.rules.path is not None:
        rules, refused = _rules_of(settings.rules.path, settings.analyzers)
        problems += refused
        settings = settings.model_copy(update={"rules": rules})
        is_known = not refused
    if is_known:
        problems += _quotas_of_no_rule(settings)
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def _rules_of(path: Path, analyzers: Iterable[str]) -> tuple[Rules, list[str]]:
    """What a rules file says, and why it is not usable."""
    file = rules_file(path, analyzers)
    if not file.refusal:
        return file.rules, []
    accepted = f"a file in which all is understood, but {file.refusal}"
    return Rules(), [f"{_RULES}={str(path)!r} is not usable: accepted is {accepted}"]


def _quotas_of_no_rule(settings: Settings) -> Iterator[str]:
    """A rule whose name is misspelt would have no quota, and nobody would notice."""
    rules = [rule.analyzer for rule in settings.rules.rules]
    for quota in settings.analyzer_max_per_hour:
        if quota.analyzer.startswith(f"{WORD}/") and quota.analyzer not in rules:
            yield (
                f"TASKGEN_ANALYZER_MAX_PER_HOUR={str(quota)!r} is not usable: accepted is a rule"
                f" that there is: {', '.join(rules) or 'there is none'}"
            )


def rules_in_force(
    env_file: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> RulesFile | None:
    """The rules file that counts, whatever is understood of it; None if there is none.

    Raises SettingsError if it is named and is not there.
    """
    values = _set_values(None, environ, env_file)
    own = {name: values[name] for name in (_RULES, "TASKGEN_ANALYZERS") if name in values}
    try:
        settings = Settings.model_validate(own)
    except ValidationError as failure:
        raise SettingsError("; ".join(_explained(failure, _FIELDS))) from None
    path = settings.rules.path
    return None if path is None else rules_file(path, settings.analyzers)


def rules_file(path: Path, analyzers: Iterable[str] = ANALYZERS) -> RulesFile:
    """A rules file, with all that is and is not understood of it."""
    from tgt.rules import reading  # most have none

    return reading.with_limits(reading.read(path), lambda limit: _limited(limit, analyzers))


def _limited(limit: Limit, analyzers: Iterable[str]) -> tuple[Limit, list[str]]:
    """The limits of a subject by variable, and why some are not usable."""
    options = {o.short: o for o in options_of(analyzers).values() if o.by_subject}
    refused = [
        f"{name!a} is not accepted; {', '.join(options)} are"
        for name in limit.values
        if name not in options
    ]
    numbers = {name: v for name, v in limit.values.items() if type(v) in {int, float}}
    refused += [
        f"{name}={str(value)!r} is not usable: accepted is a number"
        for name, value in limit.values.items()
        if name in options and name not in numbers
    ]
    known = {name: options[name] for name in numbers if name in options}
    values, wrong = _checked(known, numbers)
    by_variable = {options[name].variable: value for name, value in values.items()}
    return Limit(limit.subject, by_variable, limit.line), [*refused, *wrong]


def _chosen_options(
    values_set: Mapping[str, Any], analyzers: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The options that are set to other values than their defaults, and what is not usable."""
    known = {name: option for name, option in options_of(analyzers).items() if name in values_set}
    values, problems = _checked(known, values_set)
    return {n: value for n, value in values.items() if value != known[n].default}, problems


def _checked(
    known: Mapping[str, Option[Any]], values_set: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The values that are given for options, by their names, and what is not usable."""
    fields: dict[str, Any] = {name: (_annotated(option), ...) for name, option in known.items()}
    model = create_model("Options", **fields)
    try:
        read = model.model_validate({name: values_set[name] for name in known})
    except ValidationError as failure:
        return {}, [*_explained(failure, model.model_fields)]
    return {name: getattr(read, name) for name in known}, []


def _annotated(option: Option[Any]) -> Any:
    if option.kind is Kind.PATHS:
        return Annotated[tuple[Path, ...], BeforeValidator(paths)]
    bounds: dict[str, Any] = {"gt" if option.above else "ge": option.low, "le": option.high}
    if option.kind is Kind.INT:
        return Annotated[int, Field(**bounds)]
    return Annotated[float, Field(allow_inf_nan=False, **bounds)]


def names(env_file: Path | None = None) -> set[str]:
    """Every name that the environment and the settings file set, known to tgt or not."""
    return {*os.environ, *_read_env_file(env_file)}


def in_file(path: Path) -> set[str]:
    """The settings of tgt that a file sets. Raises SettingsError where it cannot be read."""
    values = _read_env_file(path)
    return {n for n, value in values.items() if value and n.startswith(("TASKGEN_", "FGK_"))}


def file_in_force(env_file: Path | None = None) -> Path | None:
    """The settings file that counts: the one that is named, or else the first there is."""
    return env_file or next(filter(os.path.isfile, settings_files()), None)


def origins(
    settings: Settings, env_file: Path | None = None, *, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Where the value of every setting comes from: ``environment``, ``default`` or a file."""
    layers = {
        "environment": os.environ if environ is None else environ,
        str(file_in_force(env_file)): _read_env_file(env_file),
    }
    return {
        variable: next((name for name, layer in layers.items() if layer.get(variable)), "default")
        for variable in variables(settings.analyzers)
    }


def misspelled(names: Iterable[str], analyzers: Iterable[str] = ANALYZERS) -> dict[str, str]:
    """``TASKGEN_`` names that neither tgt nor one of the analyzers knows, with the one that each
    resembles or ``""``."""
    strange = {name for name in names if name.startswith("TASKGEN_") and name not in _FIELDS}
    known = variables(analyzers) if strange else ()
    unknown = sorted(strange.difference(known))
    if not unknown:
        return {}
    import difflib  # mistakes are rare

    return {n: next(iter(difflib.get_close_matches(n, known, 1)), "") for n in unknown}


def _read_env_file(path: Path | None) -> Mapping[str, str | None]:
    """What the settings file says."""
    chosen = file_in_force(path)
    if chosen is None:
        return {}
    from dotenv import dotenv_values  # most settings are no file's

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
        message = str(problem.get("ctx", {}).get("error", problem["msg"]))
        accepted = _bounds(fields[variable]) or message
        shown = redact.redact(str(problem["input"]))  # an address may hold a password
        yield f"{variable}={shown!r} is not usable: accepted is {accepted}"


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

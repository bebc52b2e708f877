"""Plug-ins: analyzers, sources, engines and notifiers that are found by their name.

A distribution offers one as an entry point of a group below; what tgt brings along is registered
under the same names and in the same form, in a table that needs no look at what is installed. Only
what a setting names is loaded, and nothing else is imported to find it. What cannot be loaded is a
PluginError with its name and the reason, for the caller to report: never a reason to stop.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from tgt.errors import TgtError
from tgt.options import Option

ANALYZERS, SOURCES, ENGINES, NOTIFIERS = (
    f"tgt.{kind}s" for kind in ("analyzer", "source", "engine", "notifier")
)

BUILT_IN: dict[str, dict[str, str]] = {
    ANALYZERS: {
        "continuation": "tgt.analyzers.continuation:ContinuationAnalyzer",
        "error_spike": "tgt.analyzers.error_spike:ErrorSpikeAnalyzer",
        "docs_gap": "tgt.analyzers.docs_gap:DocsGapAnalyzer",
        "performance": "tgt.analyzers.performance:PerformanceAnalyzer",
        "ux_issue": "tgt.analyzers.ux_issue:UxIssueAnalyzer",
        "recurring_error": "tgt.analyzers.recurring_error:RecurringErrorAnalyzer",
        "retry_loop": "tgt.analyzers.retry_loop:RetryLoopAnalyzer",
        "token_waste": "tgt.analyzers.token_waste:TokenWasteAnalyzer",
        "telemetry_silence": "tgt.analyzers.telemetry_silence:TelemetrySilenceAnalyzer",
    },
    SOURCES: {},
    ENGINES: {},
    NOTIFIERS: {
        "apprise": "tgt.notify.apprise_service:send",
        "exec": "tgt.notify.command:send",
    },
}
"""By group and name where each lies, ``module:object`` as in an entry point; in their order."""

_DECLARED = ("name", "task_type", "summary", "options", "needs", "signals", "analyze")


class PluginError(TgtError):
    """A plug-in that is not there, or that cannot be used."""


def names(group: str) -> tuple[str, ...]:
    """All names of a group: tgt's own, then those that are installed."""
    return tuple(dict.fromkeys((*BUILT_IN[group], *sorted(_installed(group)))))


def analyzer(name: str) -> Any:
    """An Analyzer (``tgt.analyzers.base``): what lies there is called without arguments.

    Raises PluginError, as the others do.
    """
    analyzer = call(ANALYZERS, name)
    try:
        problem = _problem(analyzer, name)
    except Exception as failure:
        raise _refusal(ANALYZERS, name, _reason(failure)) from failure
    if problem:
        raise _refusal(ANALYZERS, name, problem)
    return analyzer


def _problem(analyzer: Any, name: str) -> str:
    """Why this cannot be the analyzer of that name; empty if it can."""
    missing = [word for word in _DECLARED if not hasattr(analyzer, word)]
    if missing:
        return f"it has no {', '.join(missing)}"
    if analyzer.name != name:
        return f"it calls itself {analyzer.name!r}"
    strange = [each for each in analyzer.options if not isinstance(each, Option)]
    return f"{strange[0]!r} is no option" if strange else ""


def source(kind: str) -> Any:
    """What makes a Source (``tgt.sources.base``), or several, of a place (a Path, or None for the
    usual one) and of its options, texts by their names."""
    return _load(SOURCES, kind)


def engine(name: str) -> Any:
    """What makes a Timeline (``tgt.engine.protocol``); ``tgt.engine.registry`` says of what."""
    return _load(ENGINES, name)


def notifier(name: str) -> Any:
    """What takes a notification, a JSON object, to a place, the text after ``name:``; that it
    raises says that nobody was told."""
    return _load(NOTIFIERS, name)


def call(group: str, name: str, *arguments: Any) -> Any:
    """What a plug-in gives back; whatever it raises is a PluginError."""
    try:
        return _load(group, name)(*arguments)
    except TgtError:
        raise
    except (Exception, SystemExit) as failure:
        raise _refusal(group, name, _reason(failure)) from failure


def _load(group: str, name: str) -> Any:
    places = (
        (BUILT_IN[group][name],) if name in BUILT_IN[group] else _installed(group).get(name, ())
    )
    if len(places) != 1:
        reason = f"several are installed: {', '.join(places)}" if places else "there is none"
        raise _refusal(group, name, reason)
    module, _, path = places[0].partition(":")
    try:
        loaded: Any = import_module(module.strip())
        for attribute in filter(None, path.partition("[")[0].strip().split(".")):
            loaded = getattr(loaded, attribute)
    except (Exception, SystemExit) as failure:
        raise _refusal(group, name, _reason(failure)) from failure
    return loaded


@cache
def _installed(group: str) -> dict[str, tuple[str, ...]]:
    """Where what is installed lies, by name: several where distributions disagree."""
    from importlib.metadata import entry_points  # most runs name no plug-in

    places: dict[str, dict[str, None]] = {}
    for point in entry_points(group=group):
        places.setdefault(point.name, {})[point.value] = None
    return {name: tuple(values) for name, values in places.items()}


def _refusal(group: str, name: str, reason: str) -> PluginError:
    return PluginError(f"{group.removeprefix('tgt.')[:-1]} {name} cannot be used: {reason}")


def _reason(failure: BaseException) -> str:
    lines = str(failure).splitlines()
    return f"{type(failure).__name__}: {lines[0]}" if lines else type(failure).__name__

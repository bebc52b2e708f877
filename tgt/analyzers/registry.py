"""The analyzers that a run asks, by their names: tgt's own, those of plug-ins, and rules.

One that cannot be loaded, or whose questions cannot be known, stands in its place all the same and
fails when it is asked, as any analyzer may: it is reported by its name, and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tgt import plugins
from tgt.analyzers.base import Analysis, Analyzer, Context, Need
from tgt.config import Settings
from tgt.engine.protocol import Signal
from tgt.options import Option
from tgt.rules.rule import WORD


@dataclass(frozen=True)
class Broken:
    """In the place of an analyzer that cannot be used."""

    name: str
    failure: Exception
    task_type: str = ""
    summary: str = ""
    options: tuple[Option[Any], ...] = ()
    needs: tuple[Need, ...] = ()

    def signals(self, settings: Settings, /) -> tuple[Signal, ...]:  # noqa: ARG002 it has none
        return ()

    def analyze(self, context: Context) -> Analysis:  # noqa: ARG002 it is not asked
        cause = self.failure.__cause__
        raise cause if isinstance(cause, Exception) else self.failure


@dataclass(frozen=True)
class Chosen:
    """The analyzers of a run, and every question of theirs that has a history."""

    analyzers: tuple[Analyzer, ...]
    signals: tuple[Signal, ...]


def chosen(settings: Settings) -> Chosen:
    """The analyzers that the settings name, in their order, then the rules."""
    analyzers: list[Analyzer] = []
    signals: dict[Signal, None] = {}
    for name in settings.analyzers:
        if name == WORD:
            continue
        try:
            analyzer: Analyzer = plugins.analyzer(name)
            signals.update(dict.fromkeys(analyzer.signals(settings)))
        except Exception as failure:  # noqa: BLE001 a plug-in may raise anything
            analyzer = Broken(name, failure)
        analyzers.append(analyzer)
    for analyzer in _rules(settings):
        signals.update(dict.fromkeys(analyzer.signals(settings)))
        analyzers.append(analyzer)
    return Chosen(tuple(analyzers), tuple(signals))


def _rules(settings: Settings) -> list[Analyzer]:
    """The rules of the settings, as far as they take part."""
    if not settings.rules.rules or not settings.asks_rules:
        return []
    from tgt.analyzers.rules.analyzer import RuleAnalyzer  # most have none

    return [RuleAnalyzer(rule) for rule in settings.rules.rules]


def named(settings: Settings, name: str) -> Analyzer:
    """The analyzer of a name, or the rule. Raises PluginError."""
    for rule in _rules(settings):
        if rule.name == name:
            return rule
    analyzer: Analyzer = plugins.analyzer(name)
    return analyzer


def built_in() -> tuple[Analyzer, ...]:
    """The analyzers that come with tgt, in the order of the settings."""
    return chosen(Settings()).analyzers

"""``tgt rules`` for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.output.rules_document import times_found
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tgt.backtest import Replay
    from tgt.rules.reading import Entry, Problem, RulesFile
    from tgt.rules.rule import Rule

_NONE = "There are no rules: TASKGEN_RULES names none, and no rules.toml is beside a settings file."
_LONGEST = 2000


def rules(on: text.Screen, file: RulesFile | None, *, in_full: bool) -> str:
    """All of a file; ``in_full`` with the expressions as they were understood."""
    if file is None:
        return text.render(on, Text(_NONE))
    parts: list[RenderableType] = [text.heading(safe(str(file.path)))]
    parts += map(_problem, file.problems)
    for entry in file.entries:
        parts += _entry(entry, in_full=in_full)
    return text.render(on, *parts, Text(), text.styled(_verdict(file), "bold"))


def replayed(on: text.Screen, file: RulesFile, replay: Replay) -> str:
    """What each rule would have found."""
    rows = text.grid("", "", "dim")
    for rule in file.rules.rules:
        times = times_found(rule, replay)
        many = words.plural(len(times), "task") if times else "nothing"
        when = f"first {words.clock(times[0])}" if times else ""
        rows.add_row(text.styled(rule.name), Text(many, style="green" if times else ""), when)
    return text.render(on, text.heading("Found"), text.indented(rows))


def _verdict(file: RulesFile) -> str:
    rules = [entry for entry in file.entries if entry.kind == "rule"]
    count = words.plural(len(rules), "rule")
    if file.refusal:
        return f"{count}; not all is understood, so that tgt run refuses this file"
    return f"{count}, understood"


def _entry(entry: Entry, *, in_full: bool) -> Iterator[RenderableType]:
    mark = Text("no", style="red") if entry.problems else Text("ok", style="green")
    name = entry.name if entry.kind == "rule" else f"limits of {entry.name}"
    heading = Text.assemble(mark, "  ", text.styled(name, "bold"), (f"  line {entry.line}", "dim"))
    yield text.indented(heading)
    yield from map(_problem, entry.problems)
    if words_of := _in_words(entry):
        yield text.indented(text.styled(words_of, limit=_LONGEST), 6)
    if in_full and entry.rule is not None:
        rows = text.grid("dim", "")
        for key, value in _expressions(entry.rule):
            rows.add_row(key, text.styled(value, limit=_LONGEST))
        yield text.indented(rows, 6)


def _problem(problem: Problem) -> RenderableType:
    line = f"line {problem.line}: {problem.reason}"
    return text.indented(text.styled(line, "red", limit=_LONGEST), 6)


def _in_words(entry: Entry) -> str:
    if entry.limit is not None:
        return ", ".join(f"{name}={value}" for name, value in entry.limit.values.items())
    rule = entry.rule
    if rule is None:
        return ""
    sentence = str(rule.measure)
    if rule.more_than is not None:
        sentence += f" of more than {rule.more_than:g}"
    if rule.times_usual is not None:
        sentence += f" of more than {rule.times_usual:g} × usual"
    if rule.measure != "absence":
        sentence += f", in {words.plural(rule.min_conversations, 'conversation')} or more"
    return f"{sentence}; {rule.severity}: {rule.title}"


def _expressions(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "where", rule.where
    yield "counted", rule.counted
    yield "by", rule.by
    if rule.measure == "p95":
        yield "value", rule.value

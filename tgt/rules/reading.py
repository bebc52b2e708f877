"""A rules file as it is read: what of it is understood, and what is not, with line and reason.

The file is a person's, and may be anybody's: it is bounded before it is parsed, every key and value
is checked, and conditions go through ``conditions``. Whether there are the options that limits name
is known to those who know the analyzers (``tgt.config``).
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tgt.rules import lines
from tgt.rules.conditions import ConditionError, Kind, parse
from tgt.rules.rule import Limit, Measure, Rule, Rules
from tgt.rules.words import PLACEHOLDERS, meant, strange_placeholder
from tgt.tasks.card import Severity

LARGEST_FILE = 256 * 1024
MOST_RULES, MOST_LIMITS, MOST_FIXES = 100, 200, 5
LONGEST_TITLE, LONGEST_FIX, LONGEST_GLOB = 120, 400, 200
MOST_TIMES, MOST_CONVERSATIONS = 1000, 10_000
LARGEST = 1e15
_SHOWN = 3
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_KEYS = (
    *("name", "where", "counted", "by", "measure", "value", "more_than", "times_usual"),
    *("min_conversations", "severity", "title", "fix"),
)
_FITS: Mapping[Measure, tuple[str, ...]] = {
    Measure.SHARE: ("more_than", "times_usual", "min_conversations"),
    Measure.RATE: ("more_than", "times_usual", "min_conversations"),
    Measure.P95: ("more_than", "times_usual", "min_conversations", "value"),
    Measure.COUNT: ("more_than", "min_conversations"),
    Measure.ABSENCE: (),
}
"""The keys that not every measure has."""


@dataclass(frozen=True)
class Problem:
    """Why something is not usable, and in which line."""

    line: int
    reason: str


@dataclass(frozen=True)
class Entry:
    """A rule, or a table of limits, as the file has it; it is understood without problems."""

    kind: str
    name: str
    line: int
    rule: Rule | None = None
    limit: Limit | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class RulesFile:
    """All that a file says; ``problems`` are those of no single entry."""

    path: Path
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def rules(self) -> Rules:
        """What of it is understood."""
        return Rules(
            self.path,
            tuple(entry.rule for entry in self.entries if entry.rule is not None),
            tuple(entry.limit for entry in self.entries if entry.limit is not None),
        )

    @property
    def refusal(self) -> str:
        """What of it is not usable, in a line; empty if all is."""
        reasons = [f"line {each.line}: {each.reason}" for each in self.problems]
        for entry in self.entries:
            reasons += [
                f"line {each.line}: {entry.kind} {entry.name}: {each.reason}"
                for each in entry.problems
            ]
        more = len(reasons) - _SHOWN
        words = "; ".join(reasons[:_SHOWN])
        return f"{words}; and {more} more, which tgt rules check tells" if more > 0 else words


def read(path: Path) -> RulesFile:
    """What a file says. Never raises: one that cannot be read is a problem, too."""
    try:
        text = _text_of(path)
        return _understood(path, text, tomllib.loads(text))
    except (OSError, ValueError, RecursionError) as failure:
        return RulesFile(path, problems=(_unreadable(failure),))


def _text_of(path: Path) -> str:
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as stream:
        content = stream.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise ValueError(f"the file is larger than {LARGEST_FILE // 1024} KiB")
    return content.decode("utf-8-sig").replace("\r\n", "\n")


def _unreadable(failure: Exception) -> Problem:
    if isinstance(failure, tomllib.TOMLDecodeError):
        match = re.search(r"at line (\d+)", str(failure))
        return Problem(int(match[1]) if match else 1, f"this is no TOML: {failure}")
    if isinstance(failure, RecursionError):
        return Problem(1, "it is nested too deep")
    if isinstance(failure, UnicodeDecodeError):
        return Problem(1, "the file is no UTF-8 text")
    return Problem(1, getattr(failure, "strerror", None) or str(failure))


def _understood(path: Path, text: str, document: Mapping[str, Any]) -> RulesFile:
    places = lines.tables(text)
    top = places[""][0]
    accepted = ("rules", "limits")
    problems = [
        Problem(
            places[key][0].line if key in places else top.of(key),
            f"{key!r} is not accepted; [[rules]] and [[limits]] are",
        )
        for key in document
        if key not in accepted
    ]
    entries: list[Entry] = []
    for kind, most, understand in (
        ("rules", MOST_RULES, _rule),
        ("limits", MOST_LIMITS, _limit),
    ):
        tables = document.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            problems.append(Problem(top.of(kind), f"{kind} are tables, as in [[{kind}]]"))
            continue
        if len(tables) > most:
            problems.append(Problem(top.of(kind), f"more than {most} {kind}"))
            continue
        of_kind = places.get(kind, [])
        exact = len(of_kind) == len(tables)
        for number, table in enumerate(tables):
            place = of_kind[number] if exact else lines.Table(top.of(kind))
            entries.append(understand(_Reading(table, text, place, number + 1)))
    return RulesFile(path, _each_once(entries), tuple(problems))


def _each_once(entries: list[Entry]) -> tuple[Entry, ...]:
    """The entries, where no two rules have one name."""
    first: dict[str, int] = {}
    unique: list[Entry] = []
    for entry in entries:
        if entry.rule is not None and entry.name in first:
            reason = f"the rule in line {first[entry.name]} has this name, too"
            problem = Problem(entry.line, reason)
            unique.append(Entry(entry.kind, entry.name, entry.line, problems=(problem,)))
            continue
        if entry.rule is not None:
            first[entry.name] = entry.line
        unique.append(entry)
    return tuple(unique)


@dataclass
class _Reading:
    """One table, and what is not usable of it."""

    table: Mapping[str, Any]
    text: str
    place: lines.Table
    number: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def in_order(self) -> tuple[Problem, ...]:
        """The problems in the order of their lines."""
        return tuple(sorted(self.problems, key=lambda each: each.line))

    def refuse(self, key: str, reason: str) -> None:
        self.problems.append(Problem(self.place.of(key), reason))

    def strange_keys(self, accepted: tuple[str, ...]) -> None:
        for key in self.table:
            if key not in accepted:
                self.refuse(key, f"there is no key {key[:60]!r}; {meant(key, accepted)}")

    def text_of(self, key: str, longest: int, *, default: str | None = None) -> str:
        """A text of one line; empty where it is not usable."""
        value = self.table.get(key, default)
        problem = _text_problem(value, longest)
        if value is None:
            problem = "is missing"
        if problem:
            self.refuse(key, f"{key} {problem}")
            return ""
        return str(value)

    def choice(self, key: str, accepted: tuple[str, ...], default: str | None = None) -> str:
        value = self.table.get(key, default)
        if value not in accepted:
            words = f"{', '.join(accepted[:-1])} or {accepted[-1]}"
            shown = "is missing" if value is None else f"{_shown(value)} is not usable"
            self.refuse(key, f"{key} {shown}: accepted is {words}")
            return ""
        return str(value)

    def real(
        self, key: str, low: float, high: float, *, above: bool = False, whole: bool = False
    ) -> float | None:
        """A number in its bounds; None where it is not given or not usable."""
        value = self.table.get(key)
        if value is None:
            return None
        fits = isinstance(value, int) if whole else isinstance(value, int | float)
        if (
            fits
            and not isinstance(value, bool)
            and (low < value if above else low <= value)
            and (value <= high)
        ):
            return float(value)
        kind = "a whole number" if whole else "a number"
        bounds = f"above {low:g} up to {high:g}" if above else f"from {low:g} to {high:g}"
        self.refuse(key, f"{key} {_shown(value)} is not usable: accepted is {kind} {bounds}")
        return None

    def sql(self, key: str, kind: Kind, default: str) -> str:
        """An expression, made anew; empty where it is not accepted."""
        value = self.table.get(key, default)
        if not isinstance(value, str):
            self.refuse(key, f"{key} {_shown(value)} is not usable: accepted is a text with SQL")
            return ""
        try:
            return parse(value, kind).sql
        except ConditionError as failure:
            line = lines.of_value(self.text, self.place.of(key), value, failure.at)
            self.problems.append(Problem(line, f"{key}: {failure.reason}"))
            return ""


def _rule(entry: _Reading) -> Entry:
    table, number = entry.table, f"number {entry.number}"
    entry.strange_keys(_KEYS)
    name = entry.text_of("name", 60)
    if name and not _NAME.fullmatch(name):
        entry.refuse("name", "name is not usable: accepted are a-z, 0-9, - and _")
        name = ""
    measure = entry.choice("measure", tuple(Measure))
    title = _template(entry, "title", entry.text_of("title", LONGEST_TITLE))
    severity = entry.choice("severity", tuple(Severity), Severity.MEDIUM)
    fields: dict[str, Any] = {
        "where": entry.sql("where", Kind.TRUTH, "true"),
        "counted": entry.sql("counted", Kind.TRUTH, "true"),
        "by": entry.sql("by", Kind.TEXT, "subject"),
        "value": entry.sql("value", Kind.NUMBER, "elapsed_ms"),
        "fix": tuple(_fixes(entry)),
        **(_tolerated(entry, Measure(measure)) if measure else {}),
    }
    if measure == Measure.SHARE and "counted" not in table:
        entry.refuse("measure", "a share needs counted: which of the events count")
    if entry.problems:
        return Entry("rule", name or number, entry.place.line, problems=entry.in_order)
    rule = Rule(
        name, Measure(measure), title, entry.place.line, severity=Severity(severity), **fields
    )
    return Entry("rule", name, entry.place.line, rule=rule)


def _tolerated(entry: _Reading, measure: Measure) -> dict[str, Any]:
    """What a rule tolerates, as far as its measure can be compared with it."""
    fits = _FITS[measure]
    for key in ("more_than", "times_usual", "min_conversations", "value"):
        if key in entry.table and key not in fits:
            hint = "; rate compares with what is usual" if measure is Measure.COUNT else ""
            entry.refuse(key, f"{key} does not go with {measure}{hint}")
    high = 1.0 if measure is Measure.SHARE else LARGEST
    values = {
        "more_than": entry.real("more_than", 0, high),
        "times_usual": entry.real("times_usual", 1, MOST_TIMES, above=True),
    }
    limits = [key for key in ("more_than", "times_usual") if key in fits]
    if limits and sum(key in entry.table for key in limits) != 1:
        words = " or ".join(limits)
        entry.refuse("measure", f"{measure} needs {'one of ' * (len(limits) > 1)}{words}")
    many = entry.real("min_conversations", 1, MOST_CONVERSATIONS, whole=True)
    return {**values, **({} if many is None else {"min_conversations": int(many)})}


def _fixes(entry: _Reading) -> Iterator[str]:
    value = entry.table.get("fix", [])
    fixes = [value] if isinstance(value, str) else value
    if not isinstance(fixes, list) or len(fixes) > MOST_FIXES:
        entry.refuse("fix", f"fix is not usable: accepted is a text, or up to {MOST_FIXES}")
        return
    for each in fixes:
        problem = _text_problem(each, LONGEST_FIX)
        if problem:
            entry.refuse("fix", f"fix {problem}")
        else:
            yield _template(entry, "fix", each)


def _template(entry: _Reading, key: str, text: str) -> str:
    strange = strange_placeholder(text)
    if strange:
        accepted = ", ".join(f"{{{word}}}" for word in PLACEHOLDERS)
        entry.refuse(key, f"{key}: {strange!a} is not accepted; {accepted} are")
    return text


def _limit(entry: _Reading) -> Entry:
    subject = entry.text_of("subject", LONGEST_GLOB)
    values = {key: value for key, value in entry.table.items() if key != "subject"}
    if not values:
        entry.refuse("subject", "no option is given, such as error_spike_multiplier = 5")
    name, line = subject or f"number {entry.number}", entry.place.line
    if entry.problems:
        return Entry("limits of", name, line, problems=entry.in_order)
    return Entry("limits of", name, line, limit=Limit(subject, values, line))


def with_limits(file: RulesFile, check: Callable[[Limit], tuple[Limit, list[str]]]) -> RulesFile:
    """The file, where each table of limits was checked by those who know the options."""
    entries: list[Entry] = []
    for entry in file.entries:
        if entry.limit is None:
            entries.append(entry)
            continue
        limit, refused = check(entry.limit)
        problems = tuple(Problem(entry.line, reason) for reason in refused)
        kept = None if problems else limit
        entries.append(Entry(entry.kind, entry.name, entry.line, limit=kept, problems=problems))
    return RulesFile(file.path, tuple(entries), file.problems)


def _text_problem(value: object, longest: int) -> str:
    if not isinstance(value, str):
        return f"{_shown(value)} is not usable: accepted is a text"
    if not value.strip():
        return "is empty"
    if len(value) > longest:
        return f"is longer than {longest} characters"
    return "has a control character or more than a line" if _CONTROL.search(value) else ""


def _shown(value: object) -> str:
    """A value as a message quotes it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return ascii(value)[:60]

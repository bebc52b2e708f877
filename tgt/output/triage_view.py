"""What the triage screen writes around a card: the rows of its list, its head, and what happened.

A row has as many columns as there is room for, and what it says it says without colour, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

from tgt.output import ascii as ascii_of
from tgt.output import text, words
from tgt.output.list_view import says_more, status, trend
from tgt.output.safe import safe
from tgt.tasks.card import Card
from tgt.tasks.changes import Kind

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.board import Query, Shown
    from tgt.tasks.changes import Change

Drawing = Text
"""A line as it is drawn."""

HERE, MARKED = ">", "*"
_ID_LIMIT = 12
_SEVERITY, _PRIO, _SEEN, _TREND, _OWNER = 8, 4, 7, 24, 12
_ONE_LINE_FROM, _SEEN_FROM, _OWNER_FROM, _TREND_FROM = 44, 58, 70, 90
_TITLE_LIMIT = 500
_GAP = "  "


@dataclass(frozen=True)
class Columns:
    """Which columns there are for a width, and how wide the ids and the owners are."""

    width: int
    id: int
    owner: int = 0

    @property
    def lines(self) -> int:
        """So many lines a row has: where there is little room the title gets one of its own."""
        return 1 if self.width >= _ONE_LINE_FROM else 2

    @property
    def has_seen(self) -> bool:
        return self.width >= _SEEN_FROM

    @property
    def has_owner(self) -> bool:
        return self.owner > 0 and self.width >= _OWNER_FROM

    @property
    def has_trend(self) -> bool:
        return self.width >= _TREND_FROM

    @property
    def head(self) -> Text:
        names = ["SEVERITY", "PRIO"]
        if self.lines == 1:
            names += ["SEEN".rjust(_SEEN)] if self.has_seen else []
            names += ["OWNER".ljust(self.owner)] if self.has_owner else []
            names += ["BY HOUR".ljust(_TREND)] if self.has_trend else []
            names += ["TASK"]
        return _cut(Text(f"  {'ID'.ljust(self.id)} {_GAP.join(names)}", style="dim"), self.width)


def columns(width: int, shown: Shown) -> Columns:
    ids = (len(safe(each, limit=_ID_LIMIT)) for each in shown.ids.values())
    owners = (len(safe(card.owner, limit=_OWNER)) for card in shown.cards)
    return Columns(width, max(ids, default=4), min(_OWNER, max(owners, default=0)))


def row(
    has: Columns, card: Card, short: str, now: datetime, *, marked: bool, here: bool
) -> list[Text]:
    """The lines of a row, each as wide as the list."""
    card = card.current
    start = Text.assemble(
        HERE if here else " ",
        (MARKED if marked else " ", "bold yellow"),
        (safe(short, limit=_ID_LIMIT).ljust(has.id), "dim"),
        " ",
        _column(text.severity(card.severity), _SEVERITY),
        _GAP,
        f"{card.priority:.0f}".rjust(_PRIO),
        _GAP,
    )
    says = status(card) if says_more(card) else Text()
    title = text.styled(card.title or "(no title)", limit=_TITLE_LIMIT)
    seen = words.age_short(card.seen_at, now).rjust(_SEEN)
    if has.lines == 1:
        if has.has_seen:
            start.append(seen + _GAP, style="dim")
        if has.has_owner:
            start.append_text(_column(text.styled(card.owner, limit=60), has.owner)).append(_GAP)
        if has.has_trend:
            start.append(trend(card).rjust(_TREND) + _GAP, style="cyan")
        if says.plain:
            start.append_text(says).append(_GAP)
        lines = [start.append_text(title)]
    else:
        if says.plain:
            start.append_text(says).append(_GAP)
        if start.cell_len + len(seen.strip()) <= has.width:
            start.append(seen.strip(), style="dim")
        lines = [start, Text.assemble(" " * 4, title)]
    lines = [_cut(line, has.width) for line in lines]
    if not here:
        return lines
    return [Text(line.plain, style="reverse") for line in lines]


def _column(what: Text, width: int) -> Text:
    what.truncate(width, overflow="ellipsis", pad=True)
    return what


def _cut(line: Text, width: int) -> Text:
    line.no_wrap = True
    line.truncate(max(0, width), overflow="ellipsis", pad=True)
    return line


def heading(query: Query, shown: Shown, marks: int, width: int) -> Text:
    """The first line of the screen: what is shown of what, and by which filters."""
    filters = query.asked
    many = f"{len(shown.cards)} of " if len(shown.cards) < shown.total else ""
    kind = "" if query.is_narrow or filters.every else "open "
    parts = [f"{many}{words.plural(shown.total, f'{kind}task')}"]
    parts += [f"{marks} marked"] if marks else []
    named = (filters.statuses, filters.severities, filters.types, filters.owners, filters.subjects)
    parts += [", ".join(sorted(each)) for each in named if each]
    parts += [f"priority {filters.least:.0f} or more"] if filters.least > 0 else []
    parts += [f"news since {words.clock(filters.since)}"] if filters.since else []
    parts += [f"/{query.words}"] if query.words else []
    parts += [f"{shown.hidden} muted"] if shown.hidden else []
    parts += [f"by {query.order}"] if query.order != "priority" else []
    return _cut(Text.assemble((" tgt ", "bold"), safe("  ".join(parts)), style="reverse"), width)


def nothing(query: Query, shown: Shown, place: str) -> str:
    """What stands in the place of a list without tasks."""
    if not shown.known:
        return f"No tasks yet in {safe(place)}. Runs bring them: tgt run"
    if query.is_narrow:
        return "No task fits. f shows the filters, esc takes them off."
    if shown.hidden:
        return f"{words.plural(shown.hidden, 'muted task')} not shown. m shows them."
    rest = words.plural(shown.known, "task")
    return f"All done: no open task, of {rest} in all. f shows the others."


def wrapped(message: str, width: int) -> list[Text]:
    """A message of tgt on as many lines as it needs."""
    return list(Text(message).wrap(_styles(), max(1, width)))


def outcome(done: str, cards: Sequence[Card], already: int, ids: Mapping[str, str]) -> str:
    """What came of a decision, on one line."""
    parts = []
    if len(cards) == 1:
        parts.append(f"{done} {ids.get(cards[0].id, cards[0].id)} {cards[0].title}")
    elif cards:
        parts.append(f"{done} {words.plural(len(cards), 'task')}")
    if already:
        parts.append(f"{words.plural(already, 'task')} already so")
    return safe(", ".join(parts))


def news(changed: Sequence[Change], ids: Mapping[str, str]) -> str:
    """What others have changed, on one line: the last of it whole."""
    if not changed:
        return ""
    last = changed[-1]
    what = words.change_in_words(last) or last.title
    by = f" ({last.by})" if last.by not in {"", "tgt"} else ""
    more = f", and {words.plural(len(changed) - 1, 'change')} more" if len(changed) > 1 else ""
    kind = "new" if last.kind is Kind.FOUND else str(last.kind)
    short = ids.get(last.task, last.task)
    return safe(f"{kind} {short}{by}{more}: {what}")


def targets(cards: Sequence[str], ids: Mapping[str, str]) -> str:
    """The cards that a question is about."""
    if len(cards) == 1:
        return safe(ids.get(cards[0], cards[0]), limit=_ID_LIMIT)
    return words.plural(len(cards), "task")


def choice(name: str, count: int, width: int, *, chosen: bool, here: bool) -> Text:
    """One line of the filters."""
    sign = "[x]" if chosen else "[ ]"
    line = Text(f"{HERE if here else ' '} {sign} {safe(name, limit=60)}  {words.count(count)}")
    if here:
        line.style = "reverse"
    return _cut(line, width)


def bar(title: str, width: int) -> Text:
    """The first line of what lies over the screen."""
    return _cut(Text(f" {safe(title)}", style="reverse"), width)


def section(name: str, width: int) -> Text:
    return _cut(Text(f"  {name}", style="bold"), width)


def keys(pairs: Sequence[tuple[str, str]], width: int) -> Text:
    """As many keys as fit, each whole, and the last one always."""
    if not pairs:
        return Text()
    *others, last = [Text.assemble((key, "bold"), f" {does}") for key, does in pairs]
    room = width - last.cell_len - 1
    line = Text(" ")
    for each in others:
        if line.cell_len + each.cell_len + len(_GAP) > room:
            break
        line.append_text(each).append(_GAP)
    return _cut(line.append_text(last), width)


def table_of_keys(on: text.Screen, groups: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """All keys, by what they are for."""
    widest = max(len(key) for rows in groups.values() for key, _ in rows)
    parts: list[RenderableType] = []
    for title, rows in groups.items():
        table = text.grid("bold", "")
        table.columns[0].min_width = widest
        for key, does in rows:
            table.add_row(key, Text(does))
        parts += [Text()] if parts else []
        parts += [text.heading(title), text.indented(table)]
    return text.render(on, *parts)


def rule(width: int) -> Text:
    """A part of a line between two others: across if there is room, else down."""
    return Text("─" * width if width > 1 else "│", style="dim")


def message(line: str, width: int, *, failed: bool = False) -> Text:
    return _cut(Text(f" {line}", style="bold red" if failed else ""), width)


def below(rest: int, width: int) -> Text:
    """The last line of a text that goes on."""
    return _cut(Text(f"... {words.plural(rest, 'line')} more: PgDn", style="dim"), width)


def lines_of(ansi: str) -> list[Text]:
    """Lines that another view has made, of which nothing but tgt's own styles is interpreted."""
    return list(Text.from_ansi(ansi).split("\n", allow_blank=True)) if ansi else []


def plain_line(line: str) -> Text:
    return Text(safe(line))


def segments(line: Drawing, *, only_ascii: bool) -> list[Segment]:
    """The characters and styles of a line, for whoever draws."""
    parts = line.render(_styles(), end="")
    # Of a text that is all of one style rich tells only the characters.
    styled = Segment.apply_style(parts, _styles().get_style(line.style or "none"))
    if only_ascii:
        return [Segment(ascii_of.plain(part.text), part.style) for part in styled]
    return list(styled)


@cache
def _styles() -> Console:
    """Made once: it only looks up what a style is called."""
    return Console(markup=False, highlight=False, emoji=False, color_system="truecolor")

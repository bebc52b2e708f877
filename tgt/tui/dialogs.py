"""What lies over the triage screen for a moment: the filters, the telemetry lines behind a card,
and all keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tgt.errors import TgtError
from tgt.listing import Asked
from tgt.output import events_view, triage_view
from tgt.output.text import Screen as Measures
from tgt.output.triage_view import Drawing
from tgt.tasks.card import OPEN
from tgt.tui.lines import Drawn, Keys, Line, Pages, Render

if TYPE_CHECKING:
    from tgt.board import Choices, Query
    from tgt.engine.protocol import Progress
    from tgt.evidence import Lines

_SCROLLING: list[BindingType] = [
    Binding("down,j", "scroll(1)", "down", show=False),
    Binding("up,k", "scroll(-1)", "up", show=False),
    Binding("pagedown,space,ctrl+d", "page(1)", "page down", key_display="PgDn"),
    Binding("pageup,ctrl+u", "page(-1)", "page up", show=False),
    Binding("home,g", "scroll(-1000000)", "top", show=False),
    Binding("end,G", "scroll(1000000)", "bottom", show=False),
]


class Reading(Screen[None]):
    """A text that fills the screen, below a title, until it is left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_SCROLLING,
        Binding("escape,q,enter", "dismiss", "back", key_display="esc", priority=True),
    ]

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title

    def compose(self) -> ComposeResult:
        yield Line(lambda width: triage_view.bar(self._title, width))
        yield Pages()
        yield Keys()

    def action_scroll(self, by: int) -> None:
        self.query_one(Pages).scroll_lines(by)

    def action_page(self, by: int) -> None:
        self.query_one(Pages).scroll_page(by)


class AllKeys(Reading):
    """All keys, by what they are for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "dismiss", "back", show=False, priority=True),
    ]

    def __init__(self, told: Render) -> None:
        super().__init__("Keys of tgt triage")
        self._told = told

    def on_mount(self) -> None:
        self.query_one(Pages).show(self._told)


class Left(Exception):  # noqa: N818 no error: nobody waits for the lines any more
    """The screen was left before the lines were found."""


class EventLines(Reading):
    """The telemetry lines behind a card, looked for while one may read on, or leave."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "dismiss", "back", show=False, priority=True),
    ]

    def __init__(self, title: str, find: Callable[[Progress], Lines], *, colour: bool) -> None:
        super().__init__(title)
        self._find, self._colour = find, colour
        self._left = False
        self._told = "looking for the telemetry lines"

    def on_mount(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.query_one(Pages).show(lambda _width: self._told)
        self.run_worker(self._look())

    def on_unmount(self) -> None:
        self._left = True

    def _progress(self, what: str, share: float | None) -> None:
        """Called from the thread that looks."""
        if self._left:
            raise Left
        done = "" if share is None else f" {share:.0%}"
        self._loop.call_soon_threadsafe(self._say, f"{what}{done}")

    def _say(self, line: str) -> None:
        if not self._left:
            self._told = triage_view.plain_line(line).plain
            self.query_one(Pages).show(lambda _width: self._told)

    async def _look(self) -> None:
        try:
            lines = await asyncio.to_thread(self._find, self._progress)
        except Left:
            return
        except TgtError as problem:
            self._say(str(problem))
            return
        if self._left:
            return
        warnings = "".join(f"{triage_view.plain_line(each).plain}\n" for each in lines.warnings)

        def rendered(width: int) -> str:
            on = Measures(width, colour=self._colour, terminal=True)
            return f"{events_view.events(on, lines)}\n{warnings}"

        self.query_one(Pages).show(rendered)


@dataclass(frozen=True)
class _Row:
    """A choice, or where it has no ``field`` a heading."""

    name: str
    field: str = ""
    count: int = 0


class _ChoiceList(Drawn):
    DEFAULT_CSS = "_ChoiceList { height: 1fr; }"

    def __init__(self, rows: Sequence[_Row], is_chosen: Callable[[_Row], bool]) -> None:
        super().__init__()
        self._rows, self._is_chosen = rows, is_chosen
        self._at = next((n for n, row in enumerate(rows) if row.field), 0)
        self._top = 0

    @property
    def row(self) -> _Row:
        return self._rows[self._at]

    def move(self, by: int) -> None:
        at = self._at + by
        while 0 <= at < len(self._rows) and not self._rows[at].field:
            at += 1 if by > 0 else -1
        if 0 <= at < len(self._rows):
            self._at = at
        self.refresh()

    def line(self, row: int, width: int) -> Drawing | None:
        height = self.size.height
        above = 1 if self._at == 1 else 0
        self._top = max(min(self._top, self._at - above), self._at - height + 1, 0)
        index = self._top + row
        if index >= len(self._rows):
            return None
        each = self._rows[index]
        if not each.field:
            return triage_view.section(each.name, width)
        return triage_view.choice(
            each.name,
            each.count,
            width,
            chosen=self._is_chosen(each),
            here=index == self._at,
        )


class Filters(Screen[None]):
    """What to show, by what there is. A choice counts at once, and of several any may fit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("space,x", "choose", "choose", key_display="space"),
        Binding("backspace,delete", "clear", "none of them", key_display="backspace"),
        Binding("escape,enter,f,q", "dismiss", "back", key_display="esc", priority=True),
    ]

    def __init__(self, choices: Choices, query: Query, on_chosen: Callable[[Query], None]) -> None:
        super().__init__()
        self._query, self._on_chosen = query, on_chosen
        self._rows = list(_rows(choices))

    def compose(self) -> ComposeResult:
        yield Line(lambda width: triage_view.bar("Show only", width))
        yield _ChoiceList(self._rows, self._is_chosen)
        yield Keys()

    def _is_chosen(self, row: _Row) -> bool:
        if row.field == _MUTED:
            return self._query.muted
        return row.name.lower() in (getattr(self._query.asked, row.field) or ())

    def action_move(self, by: int) -> None:
        self.query_one(_ChoiceList).move(by)

    def action_choose(self) -> None:
        row = self.query_one(_ChoiceList).row
        if row.field == _MUTED:
            self._choose(replace(self._query, muted=not self._query.muted))
            return
        chosen = (getattr(self._query.asked, row.field) or frozenset()) ^ {row.name.lower()}
        changed: dict[str, Any] = {row.field: chosen or None}
        self._choose(replace(self._query, asked=replace(self._query.asked, **changed)))

    def action_clear(self) -> None:
        self._choose(replace(self._query, asked=Asked(), muted=False))

    def _choose(self, query: Query) -> None:
        self._query = query
        self.query_one(_ChoiceList).refresh()
        self._on_chosen(query)


_MUTED = "muted"


def _rows(choices: Choices) -> list[_Row]:
    open_tasks = sum(choices.severities.values())
    rows = [_Row("Status"), _Row(OPEN, "statuses", open_tasks)]
    rows += _counted("statuses", choices.statuses)
    for title, field_, counts in (
        ("Severity of open tasks", "severities", choices.severities),
        ("Type", "types", choices.types),
        ("Owner", "owners", choices.owners),
    ):
        rows += [_Row(title), *_counted(field_, counts)] if counts else []
    return [*rows, _Row("Muted"), _Row("muted tasks too", _MUTED, choices.muted)]


def _counted(field_: str, counts: Mapping[str, int]) -> list[_Row]:
    most_first = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [_Row(name, field_, count) for name, count in most_first if name]

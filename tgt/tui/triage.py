"""The triage screen: a list, the card under its cursor, and a key for everything one does with it.

What is shown is asked of the board again whenever a file has changed, and every decision is made
there; here is only which key means what. Whatever waits for a disk or a lock happens beside the
screen, in the order of the keys. Nothing is shown as done before it is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from tgt import listing, triage
from tgt.board import UNDONE, Act, Board, Overtaken, Query
from tgt.durations import parse_duration
from tgt.errors import TgtError
from tgt.output import card_view, run_health, triage_view
from tgt.output.safe import safe
from tgt.output.text import Screen as Measures
from tgt.output.triage_view import Drawing
from tgt.tasks.card import Card
from tgt.tasks.related import named as named_by
from tgt.tui.dialogs import AllKeys, EventLines, Filters
from tgt.tui.lines import Keys, Line, Pages, Rule
from tgt.tui.prompt import Prompt
from tgt.tui.task_list import TaskList

if TYPE_CHECKING:
    from textual import events

    from tgt.engine.protocol import Progress
    from tgt.evidence import Lines
    from tgt.output.run_health import Cadence
    from tgt.store.journal import Journal

STACKED_BELOW = 76
"""On a screen of fewer columns the card stands below the list, not beside it."""
_NARROWEST_LIST, _SHARE_OF_LIST, _WIDEST_CARD = 34, 0.44, 104
_MOST_LINES = 100
_LOOK_EVERY_S = 0.5
_AGES_CHANGE = timedelta(seconds=30)
_A_WHILE_S, _A_LONG_WHILE_S = 2.0, 10.0
_ORDERS = (listing.PRIORITY, listing.AGE, listing.SEEN)
_SNOOZE = "7d"


class Key(NamedTuple):
    """A key, or several that mean the same, as Textual calls them and as people do; ``short`` is
    what the line of keys says, where it says anything."""

    keys: str
    shown: str
    action: str
    told: str
    short: str = ""


KEYS: dict[str, tuple[Key, ...]] = {
    "Decide": (
        Key("a", "a", "approve", "approve: it is worth doing", "approve"),
        Key("d", "d", "dismiss_tasks", "dismiss, with a reason or without one", "dismiss"),
        Key("z", "z", "snooze", "dismiss for a while", "snooze"),
        Key("c", "c", "complete", "complete: it is done", "complete"),
        Key("r", "r", "reopen", "open again what is approved, dismissed or completed"),
        Key("u", "u", "undo", "take the last decision back, then the one before", "undo"),
    ),
    "Say": (
        Key("n", "n", "note", "note something"),
        Key("o", "o", "owner", "say whose it is; an empty name for nobody's"),
        Key("l", "l", "link", "say where it is tracked"),
    ),
    "Many at once": (
        Key(
            "space",
            "space",
            "mark",
            "mark the task, or no longer; keys are for all that are",
            "mark",
        ),
        Key("asterisk", "*", "mark_all", "mark all that are shown, or none"),
    ),
    "Find": (
        Key("slash", "/", "search", "search titles, texts, subjects, owners and ids", "search"),
        Key("f", "f", "filter", "filter by status, severity, type and owner", "filter"),
        Key("m", "m", "muted", "show muted tasks, or no longer"),
        Key("s", "s", "sort", "sort by priority, age, or when last seen"),
        Key("escape", "esc", "escape", "back: the list, no marks, no search, no filter"),
    ),
    "Look": (
        Key("down,j", "down, j", "move(1)", "the next task"),
        Key("up,k", "up, k", "move(-1)", "the task before"),
        Key("home,g", "home, g", "end(-1)", "the first task"),
        Key("end,G", "end, G", "end(1)", "the last task"),
        Key("pagedown,ctrl+d", "PgDn, ctrl+d", "page(1)", "go on in the card"),
        Key("pageup,ctrl+u", "PgUp, ctrl+u", "page(-1)", "go back in the card"),
        Key(
            "enter",
            "enter",
            "whole",
            "the card on the whole screen, where up and down read",
            "card",
        ),
        Key("right", "right", "next(1)", "the next task, also there"),
        Key("left", "left", "next(-1)", "the task before, also there"),
        Key("e", "e", "lines", "the telemetry lines behind the card", "events"),
    ),
    "Else": (
        Key("ctrl+z", "ctrl+z", "suspend", "back to the shell for a while; fg comes back"),
        Key("q,ctrl+c", "q, ctrl+c", "quit", "end", "quit"),
        Key("question_mark", "?", "all_keys", "these keys", "keys"),
    ),
}
"""All keys of the screen, by what they are for."""


_ANSWERING = (
    Key("enter", "enter", "answer", "do it", "do it"),
    Key("escape,ctrl+c", "esc", "leave", "leave it", "leave it"),
    Key("down", "down", "go_on(1)", "the next task that fits"),
    Key("up", "up", "go_on(-1)", "the one before"),
)
_WHILE_ASKED = {"answer", "leave"}
_WHILE_SEARCHING = {*_WHILE_ASKED, "go_on"}


def _bindings() -> list[BindingType]:
    """With priority, because then keys count in their order, however fast they come: one that
    opens a question is done with before the next is looked at, which is a letter by then."""
    all_keys = [*(key for keys in KEYS.values() for key in keys), *_ANSWERING]
    return [
        Binding(
            *(key.keys, key.action, key.short),
            show=bool(key.short),
            key_display=key.shown.partition(",")[0],
            priority=True,
        )
        for key in all_keys
    ]


@dataclass(frozen=True)
class Around:
    """What the command gives its screen: the time, who one is, what may be said of a card (both
    raise SettingsError), how often runs are meant to happen, and the lines behind a card."""

    clock: Callable[[], datetime]
    me: Callable[[], str]
    owner: Callable[[str], str]
    address: Callable[[str], str]
    cadence: Cadence
    lines: Callable[[Card, int, Progress], Lines]


class _Deed(NamedTuple):
    """A decision that waits to be written; without an ``act`` the last one is to be taken back."""

    done: str
    tasks: Sequence[str] = ()
    act: Act | None = None


class Triage(Screen[None]):
    """List and card, a line for questions and messages, and a line of keys."""

    DEFAULT_CSS = """
    Triage #both { layout: horizontal; height: 1fr; }
    Triage TaskList { width: 44%; }
    Triage #card { width: 1fr; padding: 0 0 0 1; }
    Triage Rule { width: 1; height: 1fr; }
    Triage.-stacked #both { layout: vertical; }
    Triage.-stacked TaskList { height: 2fr; width: 100%; }
    Triage.-stacked #card { height: 3fr; width: 100%; padding: 0; }
    Triage.-stacked Rule { width: 100%; height: 1; }
    Triage.-whole TaskList { display: none; }
    Triage.-whole Rule { display: none; }
    Triage.-whole #card { padding: 0; }
    Triage.-asking #message { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = _bindings()
    AUTO_FOCUS: ClassVar[str | None] = "TaskList"

    def __init__(self, board: Board, around: Around, query: Query, *, colour: bool) -> None:
        super().__init__()
        self._board, self._around, self._query, self._colour = board, around, query, colour
        self._told, self._failed = "", False
        self._quiet_until = 0.0
        self._again = asyncio.Event()
        self._deeds: asyncio.Queue[_Deed] = asyncio.Queue()
        self._busy: set[str] = set()
        self._let_go: set[str] = set()
        self._go_to = self._came_from = ""
        self._is_new_query = False
        self._card: Card | None = None
        self._others: dict[str, Card] = {}

    def compose(self) -> ComposeResult:
        yield Line(self._heading, id="heading")
        with Container(id="both"):
            yield TaskList()
            yield Rule()
            yield Pages(id="card")
        yield Line(self._message, id="message")
        yield Prompt(self._back_to_list)
        yield Keys()

    def on_mount(self) -> None:
        self._list.empty = "Reading the tasks"
        self.run_worker(self._follow())
        self.run_worker(self._act())

    def on_resize(self, event: events.Resize) -> None:
        is_stacked = event.size.width < STACKED_BELOW
        self.set_class(is_stacked, "-stacked")
        width = event.size.width
        beside = max(_NARROWEST_LIST, round(width * _SHARE_OF_LIST), width - _WIDEST_CARD)
        self._list.styles.width = "100%" if is_stacked else beside

    @property
    def _list(self) -> TaskList:
        return self.query_one(TaskList)

    @property
    def _pages(self) -> Pages:
        return self.query_one("#card", Pages)

    @property
    def _prompt(self) -> Prompt:
        return self.query_one(Prompt)

    # --- what is shown -----------------------------------------------------------------------

    async def _follow(self) -> None:
        """Show what there is whenever a file has changed, or another thing is asked for."""
        stamp, seen_at = None, None
        while True:
            is_asked = self._again.is_set()
            self._again.clear()
            now = self._around.clock()
            try:
                newest = await asyncio.to_thread(self._board.stamp)
                is_old = seen_at is None or now - seen_at >= _AGES_CHANGE
                if is_asked or is_old or newest != stamp:
                    stamp, seen_at = newest, now
                    await self._look(now)
            except Overtaken:
                continue
            except TgtError as problem:
                self._say(str(problem), failed=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), _LOOK_EVERY_S)

    async def _look(self, now: datetime) -> None:
        """What one stands on or has marked stays until one leaves it, whatever others do with it;
        what one has decided about goes, and what one stands on if one asks for something else."""
        here = {self._list.card.id} if self._list.card and not self._is_new_query else set()
        go_to, self._is_new_query = self._go_to, False
        kept = (here | self._list.marks) - self._let_go | ({go_to} if go_to else set())
        query = replace(self._query, kept=frozenset(kept))
        shown = await asyncio.to_thread(self._board.look, query, now, self._again.is_set)
        if go_to == self._go_to:
            self._go_to = ""
        self._list.empty = triage_view.nothing(query, shown, str(self._board.tasks_dir))
        self._list.show(shown, now, go_to=go_to)
        notes = run_health.notes(shown.state, self._around.cadence, now)
        if shown.warnings and shown.warnings[0] != self._told:
            self._say(shown.warnings[0], failed=True)
        elif shown.news and asyncio.get_running_loop().time() >= self._quiet_until:
            self._say(triage_view.news(shown.news, shown.ids), lasts=0.0)
        elif notes and not self._told:
            self._say(notes[0], lasts=0.0)

    def on_task_list_moved(self, message: TaskList.Moved) -> None:
        message.stop()
        before, self._card = self._card, self._list.card
        is_same = before is not None and self._card is not None and before.id == self._card.id
        if before is not None and not is_same and before.id in self._list.shown.kept:
            self._again.set()  # it was there for one who stood on it
        if not is_same:
            self._others = {}
            if self._card is not None:
                self.run_worker(self._find_others(self._card), group="others", exclusive=True)
        self._pages.show(partial(self._rendered, self._card), stay=is_same)
        self.query_one("#heading").refresh()
        self.refresh_bindings()

    def _rendered(self, card: Card | None, width: int) -> str:
        if card is None:
            return ""
        listed = {each.id: each for each in self._list.shown.cards}
        on = Measures(width, colour=self._colour, terminal=True)
        now = self._around.clock()
        return card_view.card(on, card, now, {**listed, **self._others}, among_others=True)

    async def _find_others(self, card: Card) -> None:
        """The titles of the cards of its incident that are not in the list."""
        if named_by([card]) <= {each.id for each in self._list.shown.cards}:
            return
        await asyncio.sleep(0.1)  # whoever hurries past does not want to know
        with suppress(TgtError):  # their ids are there already
            self._others = await asyncio.to_thread(self._board.others, card)
            self._pages.show(partial(self._rendered, card), stay=True)

    def _heading(self, width: int) -> Drawing:
        return triage_view.heading(self._query, self._list.shown, len(self._list.marks), width)

    def _message(self, width: int) -> Drawing:
        return triage_view.message(self._told, width, failed=self._failed)

    def _say(self, message: str, *, failed: bool = False, lasts: float = _A_WHILE_S) -> None:
        """Say something on the line below; for as long as it lasts others' news do not replace
        it, and a failure lasts longer."""
        self._told, self._failed = safe(message), failed
        now = asyncio.get_running_loop().time()
        self._quiet_until = now + (_A_LONG_WHILE_S if failed else lasts)
        self.query_one("#message").refresh()
        if failed:
            self.app.bell()

    def _ask_board(self, query: Query) -> None:
        self._query, self._is_new_query = query, True
        self._again.set()

    # --- decisions ---------------------------------------------------------------------------

    async def _act(self) -> None:
        """Write one decision after the other."""
        while True:
            deed = await self._deeds.get()
            try:
                await self._write(deed)
            except TgtError as problem:
                self._say(str(problem), failed=True)
            finally:
                self._busy.difference_update(deed.tasks)
                self._deeds.task_done()
                self._again.set()

    async def _write(self, deed: _Deed) -> None:
        now, ids = self._around.clock(), self._list.shown.ids
        if deed.act is None:
            undone = await asyncio.to_thread(self._board.undo, now)
            if undone is None:
                self._say("Nothing to take back: nothing was decided here, or it is already")
                return
            done, outcome = undone
            self._let_go.difference_update(card.id for card in outcome.cards)
            self._go_to = outcome.cards[0].id
            self._say(triage_view.outcome(f"{UNDONE}: {done}", outcome.cards, 0, ids))
            return
        outcome = await asyncio.to_thread(self._board.decide, deed.done, deed.act, deed.tasks, now)
        self._let_go.update(deed.tasks)
        self._list.marks.difference_update(deed.tasks)
        self._say(triage_view.outcome(deed.done, outcome.changed, len(outcome.already), ids))

    def _decide(
        self, done: str, act: Act, tasks: Sequence[str] = (), *, goes_on: bool = True
    ) -> None:
        """Have it decided about these, or what is chosen; one ``goes_on`` from a single card."""
        tasks = tasks or self._list.chosen
        if not tasks:
            return
        if not self._busy.isdisjoint(tasks):
            self._say("Wait: the change before is being written")
            return
        self._busy.update(tasks)
        self._deeds.put_nowait(_Deed(done, tasks, act))
        if goes_on and self._list.card is not None and [self._list.card.id] == list(tasks):
            self._list.move(1)

    async def finish(self) -> None:
        """Wait until every decision is written."""
        if self._busy:
            self._say("Writing the last changes")
        await self._deeds.join()

    def action_approve(self) -> None:
        self._decide("approved", triage.approve)

    def action_complete(self) -> None:
        self._decide("completed", triage.complete)

    def action_reopen(self) -> None:
        self._decide("reopened", triage.reopen, goes_on=False)

    def action_undo(self) -> None:
        self._deeds.put_nowait(_Deed(UNDONE))

    def action_dismiss_tasks(self) -> None:
        self._ask("Dismiss {}, because", self._dismiss)

    def _dismiss(self, tasks: Sequence[str], text: str) -> None:
        reason = _stored(text)
        self._decide("dismissed", lambda *what: triage.dismiss(*what, reason=reason), tasks)

    def action_snooze(self) -> None:
        self._ask("Snooze {} for, and why", self._snooze, text=_SNOOZE)

    def _snooze(self, tasks: Sequence[str], text: str) -> None:
        first, _, rest = text.strip().partition(" ")
        length, reason = parse_duration(first, "length"), _stored(rest)

        def act(journal: Journal, names: Sequence[str], now: datetime) -> triage.Outcome:
            return triage.dismiss(journal, names, now, reason=reason, until=now + length)

        self._decide("snoozed", act, tasks)

    def action_note(self) -> None:
        self._ask("Note on {}", self._note)

    def _note(self, tasks: Sequence[str], text: str) -> None:
        if note := _stored(text):
            me = self._around.me()
            self._annotate(tasks, lambda *what: triage.annotate(*what, note=note, by=me))

    def action_owner(self) -> None:
        card = self._list.card
        text = card.owner if card is not None and self._list.chosen == [card.id] else ""
        self._ask("Owner of {}", self._own, text=text)

    def _own(self, tasks: Sequence[str], text: str) -> None:
        owner = self._around.owner(text)
        self._annotate(tasks, lambda *what: triage.annotate(*what, owner=owner))

    def action_link(self) -> None:
        self._ask("Link of {}", self._link)

    def _link(self, tasks: Sequence[str], text: str) -> None:
        if text.strip():
            links = [self._around.address(text)]
            self._annotate(tasks, lambda *what: triage.annotate(*what, links=links))

    def _annotate(self, tasks: Sequence[str], act: Act) -> None:
        self._decide("annotated", act, tasks, goes_on=False)

    def _ask(
        self, question: str, then: Callable[[Sequence[str], str], None], *, text: str = ""
    ) -> None:
        """Ask something about what is chosen now; what cannot be used is asked again."""
        tasks = self._list.chosen
        if not tasks:
            return
        named = question.format(triage_view.targets(tasks, self._list.shown.ids))

        def answered(answer: str) -> None:
            try:
                then(tasks, answer)
            except TgtError as problem:
                self._say(problem.message, failed=True)
                self._prompt_for(named, answered, text=answer)

        self._prompt_for(named, answered, text=text)

    def _prompt_for(
        self,
        question: str,
        on_answer: Callable[[str], None],
        *,
        text: str,
        on_typed: Callable[[str], None] | None = None,
    ) -> None:
        self.add_class("-asking")
        self._prompt.ask(question, on_answer, text=text, on_typed=on_typed)
        self.refresh_bindings()

    def _back_to_list(self) -> None:
        self.remove_class("-asking")
        self.set_focus(self._list)
        self.refresh_bindings()

    # --- finding and moving ------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 the signature is Textual's
        """While one types, keys are letters; in a search one may still move."""
        if not self._prompt.is_open:
            return action not in _WHILE_SEARCHING
        return action in (_WHILE_SEARCHING if self._prompt.is_live else _WHILE_ASKED)

    async def action_answer(self) -> None:
        await self._prompt.answer()

    def action_leave(self) -> None:
        if self._prompt.is_live:
            self._go_to = self._came_from
        self._prompt.leave()

    def action_mark(self) -> None:
        self._list.mark()
        if self._list.shown.kept:
            self._again.set()

    def action_mark_all(self) -> None:
        self._list.mark_all()
        self.query_one("#heading").refresh()

    def action_search(self) -> None:
        self._came_from = self._list.card.id if self._list.card else ""
        self._prompt_for("Search", self._search, text=self._query.words, on_typed=self._search)

    def _search(self, text: str) -> None:
        if text != self._query.words:
            self._ask_board(replace(self._query, words=text))

    async def action_filter(self) -> None:
        now, muted = self._around.clock(), self._query.muted
        try:
            choices = await asyncio.to_thread(lambda: self._board.choices(now, muted=muted))
        except TgtError as problem:
            self._say(str(problem), failed=True)
            return
        self.app.push_screen(Filters(choices, self._query, self._ask_board))

    def action_muted(self) -> None:
        self._ask_board(replace(self._query, muted=not self._query.muted))

    def action_sort(self) -> None:
        order = _ORDERS[(_ORDERS.index(self._query.order) + 1) % len(_ORDERS)]
        self._ask_board(replace(self._query, order=order))

    def action_escape(self) -> None:
        """One step back: from the whole card, the marks, the search and the filters."""
        if self.has_class("-whole"):
            self.remove_class("-whole")
        elif self._list.marks:
            self._list.marks.clear()
            self._list.refresh()
            self._again.set()
        elif self._query.words:
            self._ask_board(replace(self._query, words=""))
        elif self._query.is_narrow:
            self._ask_board(replace(self._query, asked=listing.Asked()))

    @property
    def _is_whole(self) -> bool:
        return self.has_class("-whole")

    def action_whole(self) -> None:
        self.toggle_class("-whole")

    def action_move(self, by: int) -> None:
        self._pages.scroll_lines(by) if self._is_whole else self._list.move(by)

    def action_next(self, by: int) -> None:
        self._list.move(by)

    def action_go_on(self, by: int) -> None:
        self._list.move(by)

    def action_end(self, which: int) -> None:
        far = which * len(self._list.shown.cards)
        self._pages.scroll_lines(which * 1_000_000) if self._is_whole else self._list.move(far)

    def action_page(self, by: int) -> None:
        self._pages.scroll_page(by)

    def action_lines(self) -> None:
        if (card := self._list.card) is not None:
            find = partial(self._around.lines, card, _MOST_LINES)
            title = f"Telemetry lines of {self._list.shown.ids[card.id]}  {card.title}"
            self.app.push_screen(EventLines(title, find, colour=self._colour))

    def action_all_keys(self) -> None:
        groups = {name: [(k.shown, k.told) for k in keys] for name, keys in KEYS.items()}
        self.app.push_screen(
            AllKeys(
                lambda width: triage_view.table_of_keys(
                    Measures(width, colour=self._colour, terminal=True), groups
                )
            )
        )

    def action_suspend(self) -> None:
        self.app.action_suspend_process()

    async def action_quit(self) -> None:
        await self.app.action_quit()


def _stored(text: str) -> str | None:
    """What somebody says, as it is stored; None where that is nothing."""
    return safe(text.strip(), lines=True) or None

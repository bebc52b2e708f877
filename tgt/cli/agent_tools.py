"""What the tools of agents do: what the commands do for people, asked for as JSON.

So an agent is told what ``--json`` tells a script, by the same code. Of a list, and of what it has
changed, it is told in brief, because it reads all of it; and what it writes is masked, because it
may quote anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tgt.cli.request import Request
from tgt.cli.tasks import change, harmless
from tgt.errors import SettingsError
from tgt.tasks.card import Card

if TYPE_CHECKING:
    from tgt.mcp import tools

_BRIEF = (
    *("id", "type", "severity", "status", "subject", "title", "priority", "confidence", "owner"),
    *("occurrences", "firstSeenAt", "lastSeenAt", "quietSince", "verification"),
)
_STANDARD_INPUT = "-"


@dataclass(frozen=True)
class AgentTools:
    """Acts on one call after another, each as a command of its own with the options of ``base``."""

    base: Request
    source: str | None

    def act(self, name: str, arguments: tools.Arguments, agent: str) -> Mapping[str, Any]:
        """The document of a tool. Raises TgtError."""
        if getattr(arguments, "task", None) == _STANDARD_INPUT:
            raise SettingsError("task='-' is not usable: accepted is an id, its end, or a subject")
        request = Request(
            json=True,
            no_color=True,
            now_option=self.base.now_option,
            env_file=self.base.env_file,
        )
        _TOOLS[name](Call(request, self.source, agent), arguments)
        told = json.loads("".join(request.answer))
        if name not in _IN_BRIEF:
            return dict(told)
        return {**told, "tasks": [_brief(Card(card)) for card in told["tasks"]]}


@dataclass(frozen=True)
class Call:
    """One call: the request that it is answered by, where telemetry lies, and who calls."""

    request: Request
    source: str | None
    agent: str

    def words(self, text: str | None) -> str | None:
        """What an agent says, as it is stored."""
        return None if text is None else harmless(self.request.settings().masked(text))


def _list(call: Call, asked: tools.TaskList) -> None:
    from tgt.cli.list_ import list_tasks

    list_tasks(
        call.request,
        status=asked.status,
        type_=asked.type,
        severity=asked.severity,
        subject=asked.subject,
        owner=asked.owner,
        min_priority=str(asked.min_priority),
        since=asked.since,
        sort=asked.sort,
        limit=str(asked.limit),
    )


def _get(call: Call, asked: tools.OneTask) -> None:
    from tgt.cli.show import show

    show(call.request, [asked.task])


def _events(call: Call, asked: tools.Events) -> None:
    from tgt.cli.events import events

    events(call.request, asked.task, limit=str(asked.limit), source=call.source)


def _report(call: Call, asked: tools.Report) -> None:
    from tgt.cli.report import report

    report(call.request, since=asked.since, source=call.source)


def _verify(call: Call, asked: tools.OneTask) -> None:
    from tgt.cli.verify import verify

    verify(call.request, [asked.task], source=call.source)


def _claim(call: Call, asked: tools.Change) -> None:
    from tgt import triage

    change(
        call.request,
        "claimed",
        [asked.task],
        lambda *what: triage.claim(*what, agent=call.agent),
    )


def _annotate(call: Call, asked: tools.Annotation) -> None:
    from tgt import triage
    from tgt.cli.annotate import address

    if asked.note is None and not asked.links:
        raise SettingsError("nothing to say: give note or links")
    note, links = call.words(asked.note), [address(link, "links") for link in asked.links or ()]
    # A link alone is a change by an agent too, and carries its name.
    said = note or f"added {', '.join(links)}"
    change(
        call.request,
        "annotated",
        [asked.task],
        lambda *what: triage.annotate(*what, links=links, note=said, by=call.agent),
    )


def _propose(call: Call, asked: tools.Proposal) -> None:
    from tgt import triage

    reason = call.words(asked.reason) or ""
    change(
        call.request,
        "proposed for completion",
        [asked.task],
        lambda *what: triage.propose_complete(*what, agent=call.agent, reason=reason),
    )


_TOOLS: dict[str, Callable[[Call, Any], None]] = {
    "list_tasks": _list,
    "get_task": _get,
    "get_events": _events,
    "get_report": _report,
    "verify_task": _verify,
    "claim_task": _claim,
    "annotate_task": _annotate,
    "propose_complete": _propose,
}
_IN_BRIEF = {"list_tasks", "claim_task", "annotate_task", "propose_complete"}


def _brief(card: Card) -> dict[str, Any]:
    """What tells whether a task is worth a second look."""
    from tgt.tasks import proposal

    now = card.current
    brief = {key: now.data[key] for key in _BRIEF if now.data.get(key) is not None}
    if (proposed := proposal.standing(card)) is not None:
        brief[proposal.KEY] = {"by": proposed.by, "text": proposed.text}
    return brief

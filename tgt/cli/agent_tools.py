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
        document = json.loads("".join(request.answer))
        if name not in _IN_BRIEF:
            return dict(document)
        return {**document, "tasks": [_brief(Card(card)) for card in document["tasks"]]}


@dataclass(frozen=True)
class Call:
    """One call: the request that it is answered by, where telemetry lies, and who calls."""

    request: Request
    source: str | None
    agent: str

    def words(self, text: str | None) -> str | None:
        """What an agent says, as it is stored."""
        return None if text is None else harmless(self.request.settings().masked(text))


def _list(call: Call, arguments: tools.TaskList) -> None:
    from tgt.cli.list_ import list_tasks

    list_tasks(
        call.request,
        status=arguments.status,
        type_=arguments.type,
        severity=arguments.severity,
        subject=arguments.subject,
        owner=arguments.owner,
        min_priority=str(arguments.min_priority),
        since=arguments.since,
        sort=arguments.sort,
        limit=str(arguments.limit),
    )


def _get(call: Call, arguments: tools.OneTask) -> None:
    from tgt.cli.show import show

    show(call.request, [arguments.task])


def _events(call: Call, arguments: tools.Events) -> None:
    from tgt.cli.events import events

    events(call.request, arguments.task, limit=str(arguments.limit), source=call.source)


def _report(call: Call, arguments: tools.Report) -> None:
    from tgt.cli.report import report

    report(call.request, since=arguments.since, source=call.source)


def _verify(call: Call, arguments: tools.OneTask) -> None:
    from tgt.cli.verify import verify

    verify(call.request, [arguments.task], source=call.source)


def _claim(call: Call, arguments: tools.Change) -> None:
    from tgt import triage

    change(
        call.request,
        "claimed",
        [arguments.task],
        lambda *what: triage.claim(*what, agent=call.agent),
    )


def _annotate(call: Call, arguments: tools.Annotation) -> None:
    from tgt import triage
    from tgt.cli.annotate import address

    if arguments.note is None and not arguments.links:
        raise SettingsError("nothing to say: give note or links")
    note, links = (
        call.words(arguments.note),
        [address(link, "links") for link in arguments.links or ()],
    )
    # A link alone is a change by an agent too, and carries its name.
    text = note or f"added {', '.join(links)}"
    change(
        call.request,
        "annotated",
        [arguments.task],
        lambda *what: triage.annotate(*what, links=links, note=text, by=call.agent),
    )


def _propose(call: Call, arguments: tools.Proposal) -> None:
    from tgt import triage

    reason = call.words(arguments.reason) or ""
    change(
        call.request,
        "proposed for completion",
        [arguments.task],
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

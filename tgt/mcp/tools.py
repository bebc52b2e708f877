"""The tools that agents are offered: what each is for, and which arguments it takes.

None of them approves, dismisses or completes. What a tool does is a matter of the commands, which
do the same for people.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tgt.errors import SettingsError
from tgt.triage import AGENT

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_NAME = 60
MOST_TASKS, MOST_EVENTS = 100, 100

Word = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Words = Annotated[list[Word], Field(max_length=50)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Time = Annotated[
    Word, Field(description="How far back, such as 24h or 7d, or an ISO 8601 instant.")
]


class Arguments(BaseModel):
    """What any tool takes. An argument that a tool does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TaskList(Arguments):
    status: Words | None = Field(
        None, description="generated, approved, dismissed, completed, or open (the default)."
    )
    type: Words | None = Field(None, description="Types of tasks, such as error_spike.")
    severity: Words | None = Field(None, description="critical, high, medium or low.")
    subject: Words | None = Field(None, description="Globs of subjects, such as tool_call/*.")
    owner: Words | None = Field(None, description="Whose tasks; an agent is agent:NAME.")
    min_priority: float = Field(0, ge=0, le=100)
    since: Time | None = Field(None, description="Only what is new, worse or back since then.")
    sort: Literal["priority", "age", "seen"] = "priority"
    limit: int = Field(20, ge=1, le=MOST_TASKS)


class OneTask(Arguments):
    task: Word = Field(description="An id, its beginning or end, or a subject of one open task.")


class Events(OneTask):
    limit: int = Field(20, ge=1, le=MOST_EVENTS)


class Report(Arguments):
    since: Time = "7d"


class Change(OneTask):
    agent: Word | None = Field(
        None, description="Your name, if it is another than that of the program you run in."
    )


class Annotation(Change):
    note: Text | None = Field(None, description="What you found out, in plain text.")
    links: Words | None = Field(None, description="http or https addresses that belong to it.")


class Proposal(Change):
    reason: Text = Field(description="What was done, and what shows that the problem is over.")


class Tool(NamedTuple):
    """``changes`` says whether a card may be another afterwards."""

    arguments: type[Arguments]
    description: str
    changes: bool = False


TOOLS = {
    "list_tasks": Tool(
        TaskList,
        "List the tasks that tgt made of telemetry, best first, in brief. Without arguments: the"
        " open ones.",
    ),
    "get_task": Tool(OneTask, "One task with all its evidence, suggested fix and criteria."),
    "get_events": Tool(
        Events,
        "The telemetry lines behind a task, each with file and line. Reads telemetry, so it may"
        " take a while.",
    ),
    "get_report": Tool(
        Report,
        "What happened, without judgement: conversations, calls, failures, latencies, tokens,"
        " error texts and loops, beside the same length of time before. Reads telemetry.",
    ),
    "verify_task": Tool(
        OneTask,
        "Measure now whether the problem of a task is over: its criteria with their values."
        " Changes nothing. Reads telemetry.",
    ),
    "claim_task": Tool(
        Change,
        "Say that you work on an open task. It becomes yours if it is nobody's; a task that is"
        " somebody's stays theirs.",
        changes=True,
    ),
    "annotate_task": Tool(
        Annotation,
        "Add a note or links to a task, such as a finding or a pull request.",
        changes=True,
    ),
    "propose_complete": Tool(
        Proposal,
        "Say that an open task is done, and why. This only proposes: a person completes it, or"
        " tgt does once telemetry shows that the problem is over.",
        changes=True,
    ),
}


def understood(name: str, arguments: dict[str, Any]) -> Arguments:
    """The arguments of a tool. SettingsError names those that cannot be used, not their values."""
    if name not in TOOLS:
        raise SettingsError(f"there is no tool {name!r}", hint=f"there are {', '.join(TOOLS)}")
    try:
        return TOOLS[name].arguments.model_validate(arguments)
    except ValidationError as problem:
        problems = [
            f"{'.'.join(map(str, error['loc'])) or 'arguments'}: {error['msg']}"
            for error in problem.errors(include_url=False, include_input=False)
        ]
        raise SettingsError(f"{name} cannot use its arguments: {'; '.join(problems[:5])}") from None


def agent(name: str | None) -> str:
    """How the journal calls an agent: never like a person, whatever name it gives itself."""
    plain = _NO_NAME.sub("-", name or "")[:_LONGEST_NAME].strip("-.")
    return f"{AGENT}{plain or 'unknown'}"

"""Subjects: what a finding is about, spelt and taken apart in one place.

A subject is ``act``, ``act/name`` or, where several services have the same one, one of these with
``@service``: ``tool_call/read_file@billing``. Acts have neither a slash nor an @. A name may have
both (``@scope/tool``): the service is what follows the last @, unless the name begins with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOOL_CALL = "tool_call"
RESPONSE = "assistant_response"
CONVERSATIONS = "conversations"
UPSTREAM = "upstream"

_EDGE, _END = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_ID = re.compile(
    rf"{_EDGE}[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_END}"
    rf"|{_EDGE}(?=[A-Za-z]*[0-9])[0-9a-fA-F]{{6,}}{_END}"
    rf"|{_EDGE}(?=(?:[A-Za-z]*[0-9]){{2}})[A-Za-z0-9]{{12,}}{_END}"
    r"|[0-9]+"
)


@dataclass(frozen=True)
class Subject:
    """A subject, taken apart."""

    act: str
    name: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        named = self.act if self.name is None else f"{self.act}/{self.name}"
        return named if self.service is None else f"{named}@{self.service}"

    @property
    def label(self) -> str:
        """Its name, with its service, as a sentence says it; empty where it has none."""
        if self.name is None:
            return ""
        return self.name if self.service is None else f"{self.name}@{self.service}"


def parse(text: str) -> Subject:
    """A subject as it is spelt; every text is one."""
    act, slash, rest = text.partition("/")
    if not slash or "@" in act:
        act, at, service = text.partition("@")
        return Subject(act, None, service if at else None)
    name, at, service = rest.rpartition("@")
    return Subject(act, name, service) if at and name else Subject(act, rest)


def label(text: str) -> str:
    """What people call a subject: its name, or else the whole of it."""
    return parse(text).label or text


def family(subject: str) -> str:
    """The form of a subject: numbers and other ids in its name are stars."""
    act, slash, name = subject.partition("/")
    return act + slash + _ID.sub("*", name)


def kin(subject: str) -> str:
    """What a subject has in common with those that differ from it only in ids, in their service or
    in the text of an error."""
    named = parse(subject.partition(": ")[0])
    return family(str(Subject(named.act, named.name)))

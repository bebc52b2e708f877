"""Subjects: what a finding is about, spelt and taken apart in one place.

A subject is ``act``, ``act/name`` or, where several services have the same one, one of these with
``@service``: ``tool_call/read_file@billing``. Acts have neither a slash nor an @. A name may have
both (``@scope/tool``): the service is what follows the last @, unless the name begins with it.
"""

from __future__ import annotations

from dataclasses import dataclass

TOOL_CALL = "tool_call"
RESPONSE = "assistant_response"
CONVERSATIONS = "conversations"
UPSTREAM = "upstream"


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

"""Findings whose words and samples are worked out when somebody wants to read them.

Of most findings nobody does: a card covers them already, or they are not sure enough. What decides
that (type, subject, severity, confidence, touched) is known from the start, and so is what was
measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from typing import Any

from tgt.tasks.card import Finding

_KNOWN = ("analyzer", "type", "subject", "severity", "confidence", "touched", "measurement")


class Deferred(Finding):
    """A finding that is made whole by a function, at the first look at anything else of it."""

    @cached_property
    def whole(self) -> Finding:
        make: Callable[[], Finding] = self.__dict__["_make"]
        return make()

    def __eq__(self, other: object) -> bool:
        return self.whole == (other.whole if isinstance(other, Deferred) else other)

    __hash__ = Finding.__hash__


def _of_whole(name: str) -> Any:
    return cached_property(lambda finding: getattr(finding.whole, name))


for _name in (*(each.name for each in fields(Finding)), "measurement"):
    _property = _of_whole(_name)
    _property.__set_name__(Deferred, _name)
    setattr(Deferred, _name, _property)


def deferred(make: Callable[[], Finding], known: Finding | None = None, **facts: Any) -> Finding:
    """The finding that ``make`` makes; what is known of it is given, as facts or by one that has
    the same."""
    finding = Deferred.__new__(Deferred)
    values = {} if known is None else {name: getattr(known, name) for name in _KNOWN}
    finding.__dict__.update({**values, **facts, "_make": make})
    return finding


def whole(finding: Finding) -> Finding:
    """The finding with all that there is to say of it."""
    return finding.whole if isinstance(finding, Deferred) else finding


def then(finding: Finding, change: Callable[[Finding], Finding], **facts: Any) -> Finding:
    """The changed finding. The change leaves what decisions rest on as it is, but for ``facts``."""
    if isinstance(finding, Deferred):
        return deferred(lambda: change(finding.whole), finding, **facts)
    return change(finding)

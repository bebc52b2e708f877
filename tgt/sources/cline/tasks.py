"""In which directory a task of Cline and its kin worked: noted beside the task, or in the list of
all tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tgt.sources.bounds import LINE_BYTES
from tgt.sources.streams import opened

AGENTS: Mapping[str, str] = {
    "saoudrizwan.claude-dev": "cline",
    "saoudrizwan.cline-nightly": "cline",
    "rooveterinaryinc.roo-cline": "roo",
    "rooveterinaryinc.roo-code-nightly": "roo",
    "kilocode.kilo-code": "kilo",
    "zoocodeorganization.zoo-code": "zoo",
}
"""Extensions of one kind, by the names under which editors store what they keep."""

_NAMES = ("workspace", "cwdOnTaskInitialization", "shadowGitConfigWorkTree")


def directory_of(task: Path) -> str | None:
    """The directory in which the task of a directory worked, if anything says it."""
    for item in _items(task):
        for name in _NAMES:
            if isinstance(item.get(name), str) and item[name]:
                return str(item[name])
    return None


def _items(task: Path) -> Iterator[Mapping[str, Any]]:
    """What is noted of a task, the nearest first."""
    own = _parsed(str(task / "history_item.json"))
    if isinstance(own, dict):
        yield own
    tasks = task.parent
    for path in (tasks / "_index.json", tasks.parent / "state" / "taskHistory.json"):
        try:
            changed = path.stat().st_mtime_ns
        except OSError:
            continue
        item = _listed(str(path), changed).get(task.name)
        if item is not None:
            yield item


@lru_cache(4)
def _listed(path: str, changed: int) -> Mapping[str, Mapping[str, Any]]:  # noqa: ARG001 a changed file is another one
    """The tasks of a list, by name; only what may be asked of them is kept."""
    value = _parsed(path)
    every = value.get("entries") if isinstance(value, dict) else value
    items = [each for each in every if isinstance(each, dict)] if isinstance(every, list) else []
    return {str(item.get("id")): {name: item.get(name) for name in _NAMES} for item in items}


def _parsed(path: str) -> Any:
    try:
        with opened(path) as stream:
            return json.loads(stream.read(LINE_BYTES))
    except (OSError, ValueError, RecursionError):
        return None

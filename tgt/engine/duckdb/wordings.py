"""What records mean by their words, worked out once for all that say the same.

A *wording* is the hash of all words of a record: who did what with which tool, and how it ended.
Of millions of records there are some hundred, so judging them costs nothing; what it costs is to
read the words of those that were not met before once more. They are kept in the event store.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from tgt.engine.duckdb import families
from tgt.engine.duckdb.masking import mask_names
from tgt.engine.duckdb.store import Store
from tgt.engine.services import IS_AGENT
from tgt.events import MEANING
from tgt.sources.base import Projection

_MANY = 20_000
"""Where there are more new ones in a batch, words are no words but numbers, and every file has some
of its own."""

_LONGEST = 240
_SHORTENED = ("act", "name", "error_type", "model", "service", "version", "prompt", "subject")


def shortened(name: str) -> str:
    """SQL for a name of bounded length. Telemetry may call a tool a megabyte; a long name keeps
    its beginning, and what tells it from others that begin alike."""
    cut = f"left({name}, 60) || '…' || left(md5({name}), 10)"
    return f"CASE WHEN strlen({name}) > {_LONGEST} THEN {cut} ELSE {name} END"


def wording(projection: Projection) -> str:
    """SQL for the wording of the projection's rows."""
    return f"hash({', '.join(projection.words)}) AS wording"


def learn(
    store: Store, projection: Projection, staged: str, pieces: Mapping[int, str], **parameters: Any
) -> bool:
    """Add the wordings of a table of records that are not known; whether known ones mean something
    else because of them.

    ``pieces`` are what the reader is given to read, by the number that stands in the column
    ``piece``. Raises duckdb.Error, and OSError where a file no longer holds what was read of it.
    """
    db = store.database
    db.table(
        "unknown",
        "SELECT piece, wording, min(us) AS us"
        f" FROM {staged} ANTI JOIN wordings USING (wording) WHERE us IS NOT NULL GROUP BY ALL",
    )
    many = db.value("SELECT count(*) FROM unknown")
    if not many:
        return False
    chosen = list(pieces)
    if many <= _MANY:
        by_piece = db.run("SELECT piece, list(wording) FROM unknown GROUP BY piece")
        chosen = _few({piece: set(some) for piece, some in by_piece})
    # In one statement with what follows, the engine would plan for longer than it reads.
    read = projection.times_and_words or projection.statement
    db.define(projection.macros, read + projection.meaning(""))
    db.table(
        "examples",
        f"SELECT wording, {', '.join(projection.words)}"
        f" FROM (SELECT *, {wording(projection)} FROM ({read}))"
        " SEMI JOIN unknown USING (wording, us)",
        paths=list(dict.fromkeys(pieces[piece] for piece in chosen)),
        **projection.parameters,
        **parameters,
    )
    meanings = ", ".join(
        f"any_value({shortened(name) if name in _SHORTENED else name}) AS {name}"
        for name in MEANING
    )
    db.table(
        "learned",
        f"SELECT wording, {meanings} FROM ({projection.meaning('examples')}) GROUP BY wording",
    )
    if db.run("SELECT 1 FROM unknown ANTI JOIN learned USING (wording) LIMIT 1"):
        raise OSError(errno.ESTALE, "it was changed while it was read")
    _name_services(store)
    mask_names(db, "learned")
    has_folded = families.fold(store, staged)
    store.insert("wordings", "SELECT * FROM learned")
    db.drop("unknown", "examples", "learned")
    return has_folded


def _name_services(store: Store) -> None:
    """Call the services of what was learned as they are wished to be called. Of a coding agent the
    project gets the name, and stays one of that agent."""
    for name, glob in reversed(store.services):
        store.database.run(
            f"UPDATE learned SET service = CASE WHEN {IS_AGENT}"
            " THEN split_part(service, ':', 1) || ':' || $name ELSE $name END"
            f" WHERE service GLOB $glob OR ({IS_AGENT} AND"
            " substr(service, strpos(service, ':') + 1) GLOB $glob)",
            name=name,
            glob=glob,
        )


def _few(wordings: Mapping[int, set[int]]) -> list[int]:
    """As few of the pieces as have all wordings.

    Files of one writer seldom have a wording that the first of them lacks.
    """
    left, chosen = dict(wordings), []
    while left:
        piece = max(left, key=lambda each: (len(left[each]), each))
        chosen.append(piece)
        had = left.pop(piece)
        left = {other: rest for other, some in left.items() if (rest := some - had)}
    return chosen

"""Names as they may be kept: what looks like a credential in them is masked before it is stored.

Agents have secrets in their tools' names, their models' and their services' where a whole address
or a command was taken for one. What is kept of names is read by later runs, and is copied with the
task directory. Of one's own patterns nothing is known here; they are for what is shown.
"""

from __future__ import annotations

from tgt.engine.duckdb.database import Database
from tgt.events import MEANING
from tgt.redact import redact

_NAMES = tuple(name for name, kind in MEANING.items() if kind == "VARCHAR" and name != "phase")
_MAY_HIDE_ONE = "[0-9=:@ ]|[A-Za-z]{20}"
"""What a text without any of these says is a word."""


def mask_names(database: Database, table: str) -> None:
    """Mask the words of a temporary table that has the columns of meaning."""
    texts = [
        text
        for (text,) in database.run(
            f"SELECT DISTINCT text FROM (SELECT unnest([{', '.join(_NAMES)}]) AS text FROM {table})"
            " WHERE regexp_matches(text, $pattern)",
            pattern=_MAY_HIDE_ONE,
        )
    ]
    masked = [(text, mask) for text in texts if (mask := redact(text)) != text]
    if not masked:
        return
    database.table(
        "masks",
        "SELECT unnest($texts) AS text, unnest($masks) AS mask",
        texts=[text for text, _ in masked],
        masks=[mask for _, mask in masked],
    )
    for name in _NAMES:
        database.run(f"UPDATE {table} SET {name} = mask FROM masks WHERE {table}.{name} = text")
    database.drop("masks")

"""Names that differ in ids only are one name: ``fetch_ticket_000001`` and its thousand kin are
``fetch_ticket_*``.

Each of them alone is used too seldom to be judged, and who writes many could fill any memory. So
names that share a form are folded as soon as there are more than a person would give, and so is
what is left over where names have no form at all. What is folded is what findings are about
(``subject``); the name of a call stays.
"""

from __future__ import annotations

from tgt.engine.duckdb.database import Database
from tgt.engine.duckdb.store import Store
from tgt.subjects import family

MANY = 30
"""So many names of one form somebody may have given."""
MOST_SUBJECTS = 10_000
"""More than this nobody reads; the most used ones are kept apart."""
_AT_ONCE = 20_000


def fold(store: Store, staged: str) -> bool:
    """Fold the subjects of the wordings in the table ``learned``, which get the column ``family``,
    and of the known ones that are many now because of them: whether there were such."""
    db = store.database
    _find_families(db)
    known_changed = _fold_families(store)
    _fold_rest(store, staged)
    return known_changed


def _find_families(db: Database) -> None:
    formed = "FROM learned WHERE regexp_matches(subject, '/.*[0-9]')"
    parts = 1 + db.value(f"SELECT count(DISTINCT subject) {formed}") // _AT_ONCE
    db.run("CREATE OR REPLACE TEMP TABLE kin (subject VARCHAR, family VARCHAR)")
    for part in range(parts):
        mine = f"SELECT DISTINCT subject {formed} AND hash(subject) % {parts} = {part}"
        subjects = [subject for (subject,) in db.run(mine)]
        db.run(
            "INSERT INTO kin SELECT unnest($subjects::VARCHAR[]), unnest($families::VARCHAR[])",
            subjects=subjects,
            families=[family(subject) for subject in subjects],
        )
    db.table(
        "learned",
        "SELECT learned.*, kin.family FROM learned LEFT JOIN kin USING (subject)",
    )
    db.drop("kin")


def _fold_families(store: Store) -> bool:
    db = store.database
    db.table(
        "folding",
        "SELECT family FROM (SELECT family, subject FROM wordings WHERE family IS NOT NULL"
        " UNION SELECT family, subject FROM learned WHERE family IS NOT NULL)"
        " WHERE family NOT IN (SELECT family FROM folds)"
        f" GROUP BY family HAVING count(DISTINCT subject) > {MANY}",
    )
    among = "family IN (SELECT family FROM folding)"
    wordings = db.value(f"SELECT count(*) FROM wordings WHERE {among}")
    if wordings:
        db.table(
            "renamed",
            f"SELECT * EXCLUDE (row) REPLACE (family AS subject) FROM wordings WHERE {among}",
        )
        store.delete("wordings", among)
        store.insert("wordings", "SELECT * FROM renamed")
        db.drop("renamed")
    store.insert("folds", "SELECT family FROM folding")
    db.run(
        "UPDATE learned SET subject = family"
        " WHERE family IN (SELECT family FROM folds) AND subject <> family"
    )
    db.drop("folding")
    return bool(wordings)


def _fold_rest(store: Store, staged: str) -> None:
    """Where there are too many subjects all the same, those of the new ones that are used least."""
    db = store.database
    before = db.value("SELECT count(DISTINCT subject) FROM wordings")
    fresh = "subject NOT IN (SELECT subject FROM wordings WHERE subject IS NOT NULL)"
    many = db.value(f"SELECT count(DISTINCT subject) FROM learned WHERE {fresh}")
    if before + many <= MOST_SUBJECTS:
        return
    db.table(
        "kept",
        f"SELECT subject FROM learned JOIN {staged} USING (wording) WHERE {fresh}"
        " GROUP BY subject ORDER BY count(*) DESC, subject LIMIT $room",
        room=max(0, MOST_SUBJECTS - before),
    )
    db.run(
        "UPDATE learned SET subject = split_part(subject, '/', 1) || '/*',"
        f" family = split_part(subject, '/', 1) || '/*' WHERE {fresh} AND contains(subject, '/')"
        " AND subject NOT IN (SELECT subject FROM kept)"
    )
    db.drop("kept")
    store.insert(
        "folds",
        "SELECT DISTINCT family FROM learned WHERE family LIKE '%/*' AND subject = family"
        " AND family NOT IN (SELECT family FROM folds)",
    )

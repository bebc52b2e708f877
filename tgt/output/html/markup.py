"""The one gate between text that tgt did not write and a browser.

Whatever is not markup that was made here is escaped, in content and in attributes alike, after all
that acts or is invisible was made visible. What comes out is ASCII, so no encoding can be mistaken.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from tgt.output.safe import safe

LIMIT = 200


class Html(str):
    """Markup, or a value of an attribute, that holds nothing of telemetry which is not escaped."""

    __slots__ = ()


NOTHING = Html("")
_EMPTY = frozenset(("meta", "br"))


def escaped(text: object, limit: int = LIMIT) -> Html:
    """Text as content or as the value of an attribute."""
    shown = html.escape(safe(text, limit=limit), quote=True)
    return Html(shown.encode("ascii", "xmlcharrefreplace").decode("ascii"))


def element(name: str, /, *children: str, **attributes: object) -> Html:
    """An element; children and values of attributes that are no Html are escaped. An attribute that
    is None is left out; a name may end with an underscore, and others in it are hyphens."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{joined([value])}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Parts one after another, each escaped (and cut) if it was not made here."""
    return Html("".join(part if isinstance(part, Html) else escaped(part) for part in parts))

"""Secrets that were never valid: the slots of ``redact/secrets.toml`` and its like are filled.

No secret stands in a file whole, so that no scanner of repositories takes one for a leak.
"""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path
from random import Random
from typing import Any

_LETTERS = {
    "alnum": string.ascii_letters + string.digits,
    "lower": string.ascii_lowercase + string.digits,
    "upper": string.ascii_uppercase + string.digits,
    "hex": "0123456789abcdef",
    "b64": string.ascii_letters + string.digits + "+/",
    "url": string.ascii_letters + string.digits + "_-",
    "base32": string.ascii_lowercase + "234567",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "digits": string.digits,
    "alpha": string.ascii_lowercase,
}
_SLOT = re.compile(r"\{(" + "|".join(_LETTERS) + r"):(\d+)\}")
_MARKED = re.compile("«([^»]*)»")


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "redact" / name).read_text(encoding="utf-8"))


def filled(text: str, seed: int = 0) -> str:
    """The text with random letters in its slots, the same for the same text and seed."""
    random = Random(f"{seed} {text}")

    def fill(slot: re.Match[str]) -> str:
        return "".join(random.choices(_LETTERS[slot[1]], k=int(slot[2])))

    return _SLOT.sub(fill, text)


def bare(text: str) -> str:
    """Without the marks around its secrets."""
    return text.replace("«", "").replace("»", "")


def secrets(text: str) -> list[str]:
    return _MARKED.findall(text)


def masked(text: str, kind: str) -> str:
    """As it must look: a mask in the place of each secret."""
    return _MARKED.sub(f"[redacted:{kind}]", text)

"""``tgt doctor`` for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tgt.doctor import Check, State
from tgt.tasks.json_form import json_form


def is_well(checks: Sequence[Check]) -> bool:
    return all(check.state is not State.FAIL for check in checks)


def document(checks: Sequence[Check], repaired: Sequence[str]) -> dict[str, Any]:
    """``repaired`` is what was mended before the checks were made."""
    return {
        "checks": [
            {**json_form(check, state="status"), "remedy": check.remedy or None} for check in checks
        ],
        "ok": is_well(checks),
        "repaired": list(repaired),
    }

"""The process of one target: ``tgt notify`` starts it and gives it the notification.

What a notifier prints goes where this process's output goes, which is heard for its last line: the
reason why nobody was told.
"""

from __future__ import annotations

import json
import sys

from tgt import diagnostics, plugins
from tgt.errors import ExitStatus, TgtError


def main() -> int:
    order = json.load(sys.stdin.buffer)
    try:
        plugins.call(plugins.NOTIFIERS, order["notifier"], order["place"], order["notification"])
    except TgtError as problem:
        diagnostics.error(str(problem))
        return int(ExitStatus.FAILED)
    return int(ExitStatus.OK)


if __name__ == "__main__":
    raise SystemExit(main())

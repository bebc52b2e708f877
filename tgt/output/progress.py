"""What is going on, on a terminal's standard error, while a run reads; nothing anywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from tgt.output.safe import safe

Progress = Callable[[str, float | None], None]


@contextmanager
def display(*, no_color: bool = False, quiet: bool = False) -> Iterator[Progress | None]:
    """A callback that takes a step's name and the share done (None where unknown), or None where
    there is nobody to look at it. The display is gone when the block ends."""
    stream = cast("TextIO | None", sys.stderr)
    if quiet or stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich import progress as bars_of
    from rich.console import Console  # only where there is a terminal

    plain = no_color or os.environ.get("NO_COLOR", "") != ""
    console = Console(stderr=True, no_color=plain, emoji=False, markup=False, highlight=False)
    with bars_of.Progress(
        bars_of.SpinnerColumn(style="cyan"),
        bars_of.TextColumn("{task.description}", markup=False),
        bars_of.BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan"),
        console=console,
        transient=True,
    ) as bars:
        step = bars.add_task("starting", total=None)

        def show(name: str, share: float | None) -> None:
            bars.update(
                step,
                description=safe(name, limit=60),
                total=None if share is None else 1.0,
                completed=share or 0.0,
            )

        yield show

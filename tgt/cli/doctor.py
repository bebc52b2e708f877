"""``tgt doctor``: is this installation well, and what to do if not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.telemetry import OPTIONS, Since, Source, Window, chosen
from tgt.errors import ExitStatus

if TYPE_CHECKING:
    from tgt.cli.request import Request


def doctor(
    request: Request,
    *,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is safe to mend, and say what was done.")
    ] = False,
    source: Source = None,
    window: Window = None,
    since: Since = None,
) -> ExitStatus:
    """Check settings, files, schedule, clock and telemetry.

    Exit status 1 when something fails; a warning alone is 0. Without --repair nothing is written.
    """
    from tgt import config
    from tgt import doctor as doctor_of
    from tgt.output import doctor_document
    from tgt.settings import NO_RULES

    rules = config.rules_in_force(request.env_file)
    overrides = chosen(source, window, since, request.now)
    if rules is not None and rules.refusal:
        overrides["TASKGEN_RULES"] = NO_RULES  # one check fails, and all others are made
    settings = request.settings(overrides, OPTIONS)
    repaired = doctor_of.repair(settings) if repair else ()
    misspelled = config.misspelled(config.names(request.env_file))
    checks = doctor_of.examine(settings, request.now, misspelled, rules)
    if request.json:
        request.reply_json(doctor_document.document(checks, repaired))
    else:
        from tgt.output import doctor_view

        request.reply(doctor_view.doctor(request.screen, checks, repaired))
    return ExitStatus.OK if doctor_document.is_well(checks) else ExitStatus.FAILED

"""``tgt init``: from nothing to the first cards, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.cli.completion import complete_list, kinds_of_source
from tgt.errors import ExitStatus, SettingsError, TgtError

if TYPE_CHECKING:
    from tgt.cli.request import Request
    from tgt.outcome import RunReport
    from tgt.setup.plan import Plan
    from tgt.setup.prospects import Prospect
    from tgt.setup.timer import Timer


def init(
    request: Request,
    *,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:PLACE,…",
            help="Telemetry to read (default: all that is found).",
            autocompletion=complete_list(kinds_of_source),
        ),
    ] = None,
    timer: Annotated[
        bool, typer.Option("--timer", help="Run every 15 minutes, by systemd or cron.")
    ] = False,
    here: Annotated[
        bool, typer.Option("--here", help="Settings in ./.env, tasks below this directory.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing at all; say what would be.")
    ] = False,
) -> ExitStatus:
    """Find telemetry, write settings for it, look at the last week.

    Settings and timers that are there already are never overwritten. Nothing is written before
    it was shown and agreed to, or --yes is given.
    """
    from tgt import cycle, diagnostics
    from tgt.output import ask, progress
    from tgt.setup.plan import planned

    is_asking = not (yes or dry_run)
    if is_asking and (request.json or not ask.is_possible()):
        raise SettingsError(
            "tgt init writes a settings file, and there is nobody to be asked",
            hint="add --yes to agree, or --dry-run to see it first",
        )
    plan = planned(source, request.env_file, request.now, here=here)
    if is_asking:
        agreed = _agreed(request, plan)
        timer = timer or (agreed and ask.confirm("Run tgt every 15 minutes from now on?"))
        dry_run = not agreed
    is_writing = bool(plan.text) and not dry_run
    if is_writing:
        from tgt.setup import settings_file

        settings_file.write(plan.target.path, plan.text, plan.settings.tasks_dir)
    try:
        with progress.display(no_color=request.no_color, quiet=request.json) as show:
            report = cycle.run(plan.first_look, request.now, dry_run=dry_run, progress=show)
        coverage = _coverage(plan, request, report)
    except (TgtError, KeyboardInterrupt):
        if is_writing:
            diagnostics.info(f"the settings are in {plan.target.path}, and stay there")
        raise
    started = _started(plan, dry_run=dry_run) if timer else None
    network = _network(plan, started)
    for warning in report.warnings:
        diagnostics.warn(warning)
    if request.json:
        from tgt.output import init_document

        request.reply_json(
            init_document.document(
                plan, report, coverage, started, network=network, dry_run=dry_run
            )
        )
    else:
        from tgt.output import init_view

        saved_ids = [decision.card.id for decision in report.decisions if decision.card is not None]
        request.reply(
            init_view.init(
                request.screen,
                plan,
                report,
                coverage,
                started,
                request.now,
                known=saved_ids,
                network=network,
                dry_run=dry_run,
            )
        )
    return _status(report.degraded, started)


def _agreed(request: Request, plan: Plan) -> bool:
    """Show the telemetry and the settings to whoever is asked."""
    from tgt.output import ask, init_view  # only where somebody is asked

    ask.show(init_view.telemetry(request.screen, plan, request.now))
    if not plan.text:
        ask.show(f"\n{init_view.kept(plan)}")
        return True
    ask.show(f"\n{plan.target.path}:\n\n{plan.text}")
    return ask.confirm("Write these settings?")


def _coverage(plan: Plan, request: Request, report: RunReport) -> tuple[Prospect, ...]:
    """What could be judged, where there is nothing to show: no card, but telemetry."""
    if report.skipped is not None or report.tasks or report.covered:
        return ()
    from tgt.setup.plan import FIRST_LOOK  # only where nothing was found
    from tgt.setup.prospects import prospects

    return prospects(plan.settings, FIRST_LOOK, request.now)


def _started(plan: Plan, *, dry_run: bool) -> Timer:
    from tgt import doctor  # only where a timer is wanted
    from tgt.setup import timer

    check = doctor.timer()
    elsewhere = check.message if check.state is doctor.State.OK else ""
    return timer.install(plan.job, elsewhere, dry_run=dry_run)


def _network(plan: Plan, started: Timer | None) -> str:
    """The drop-in that a unit of the whole machine needs; empty where nothing does."""
    if plan.server is None or (started is not None and started.kind == "systemd"):
        return ""
    from tgt.setup import network  # only where telemetry is not on this machine

    return network.drop_in(plan.server)


def _status(degraded: bool, started: Timer | None) -> ExitStatus:
    has_failed = started is not None and started.state == "not_possible"
    return ExitStatus.DEGRADED if degraded or has_failed else ExitStatus.OK

"""``tgt notify``: tells people what is new, worse, back or fixed since the last time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tgt.errors import ExitStatus, SettingsError

if TYPE_CHECKING:
    from tgt.cli.request import Request


def notify(
    request: Request,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell nobody and write nothing; say what it would be.")
    ] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Tell every target that this is a test, at any hour.")
    ] = False,
) -> ExitStatus:
    """Tell people what is new, worse, back or fixed.

    Whom is said by TASKGEN_NOTIFY. Each target is told everything once; one that fails is tried
    again the next times, less and less often. The first call tells nothing of what there is
    already.
    """
    from tgt import diagnostics
    from tgt.notify import telling
    from tgt.output import notification

    settings = request.settings()
    if test and dry_run:
        raise SettingsError("--test and --dry-run do not go together: give one of them")
    if test and not settings.notify:
        raise SettingsError("nobody to tell", hint="set TASKGEN_NOTIFY, as docs/notify.md has it")
    kind = notification.TEST if test else notification.DIGEST
    if test:
        result = telling.try_out(settings, request.now, notification.test_notification(request.now))
    else:
        result = telling.tell(
            settings,
            request.now,
            lambda at, items: notification.notification(at, items, settings.masked),
            dry_run=dry_run,
        )
    for warning in (*result.warnings, *notification.failures(result)):
        diagnostics.warn(warning)
    if request.json:
        request.reply_json(notification.document(result, kind, settings.masked))
    else:
        request.reply(notification.lines(result, settings.masked))
    return ExitStatus.DEGRADED if result.failed else ExitStatus.OK

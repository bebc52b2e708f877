"""``tgt config``: the effective configuration, and what an LLM agent should know about tgt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgt.cli.request import Request


def config(request: Request) -> None:
    """Show the configuration, and where each value comes from.

    With --json also what tgt is and which commands an LLM agent may call.
    """
    settings = request.settings()
    from tgt import config as settings_of

    origins = settings_of.origins(settings, request.env_file)
    file = settings_of.file_in_force(request.env_file)
    if request.json:
        from tgt.output import agent

        request.reply_json(agent.document(settings, origins, file))
        return
    from tgt.output import config_view

    request.reply(config_view.config(request.screen, settings, origins, file))

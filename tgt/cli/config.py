"""``tgt config``: the effective configuration, and what an LLM agent should know about tgt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgt.cli.request import Request


def config(request: Request) -> None:
    """Show the effective configuration.

    With --json also what tgt is and which commands an LLM agent may call.
    """
    settings = request.settings()
    if request.json:
        from tgt.output import agent  # noqa: PLC0415 only what the answer needs

        request.reply_json(agent.document(settings))
        return
    from tgt.output import config_view  # noqa: PLC0415 rich stays out of --json

    request.reply(config_view.config(request.screen, settings))

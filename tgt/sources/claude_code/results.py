"""How calls of Claude Code ended, in all the wordings that its versions have.

A tool's result is a text for the model, so what it means must be read from how it begins; a field
that says so goes first. Only beginnings are looked at: what a command printed is no statement of
the agent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tgt.sources.agents import full_text, is_added_tool, says_failure
from tgt.sources.coerce import error_text, text

_REFUSED = re.compile(
    r"(?:Error: |<tool_use_error>)?(?:"
    r"The user doesn't want to |"
    r"(?:The )?user (?:has )?(?:rejected|declined|denied|refused|cancell?ed|skipped|dismissed)\b|"
    r"(?:The )?user (?:has )?(?:chose to stay|(?:chose|opted) not to|wants to clarify)\b|"
    r"(?:The )?user (?:did(?: not|n't)|has(?: not|n't)) (?:approve|grant|allow|accept)|"
    r"The agent proposed a plan that was rejected|"
    r"Permission (?:to|for) .{1,2000}?\b(?:was|has been) (?:auto-)?denied|"
    r"Claude requested permissions? .{1,2000}?(?:haven't granted|sensitive file|approv)"
    r")",
    re.IGNORECASE | re.DOTALL,
)
# What a tool that somebody added may say as well, of something else.
_REFUSED_OWN = re.compile(
    r"(?:Error: |<tool_use_error>)?(?:"
    r"Permission (?:(?:was |has )?not (?:been )?granted|(?:to|for) [^\n]{1,2000}?\bdenied)|"
    r"[^\n]{0,200}\bstay(?:ed|s|ing)? in plan mode|"
    r"(?:This|The) [^\n]{0,2000}?\brequires? (?:\w+ )?approval|"
    r"(?-i:[A-Z])[^\n:]{0,2000}?\b(?:"
    r"requires? (?:\w+ )?approval|approval (?:is |was )?(?:required|needed)|"
    r"(?:denied|declined|rejected|not approved) by (?:the )?user\b|"
    r"(?:denied|blocked|rejected) by (?:an? |the |your )?(?:permission|policy|deny rule|settings))|"
    r"Permission denied by (?:the )?user\b|Not approved by (?:the )?user\b|"
    r"Approval (?:is |was )?(?:required|denied|needed|timed out)|"
    r"[^\n]{0,2000}was blocked\. For security, Claude Code|"
    r"(?:(?:This |The )?(?:tool )?(?:use|call|execution|request|action|operation|command|edit) )?"
    r"(?:was |has been )?(?:auto(?:matically)?[- ])?(?:denied|rejected|declined)\b"
    r")",
    re.IGNORECASE,
)
_INTERRUPTED = re.compile(
    r"^\[Request interrupted by user[^\]\n]*\]$"
    r"|\A(?:Error: |<error>)?(?:"
    r"(?:The )?(?:command|request|operation|execution|tool(?: call| use| execution)?) was "
    r"(?:aborted|interrupted|cancell?ed)\b"
    r"|(?:(?:Tool|Command|Operation|Request|Execution) ){0,2}(?:was )?"
    r"(?:Aborted|Interrupted|Cancell?ed) by (?:the )?user\b|The user interrupted\b"
    r"|(?:Tool permission request failed: )?AbortError\b)",
    re.MULTILINE | re.IGNORECASE,
)
_TIMED_OUT = re.compile(r"^(?:<error>)?Command timed out", re.MULTILINE)
_EXIT = re.compile(r"(?:Error: )?Exit code -?\d+")
_HOOK = re.compile(
    r"(?:Hook )?\w+:\S+ (?:hook (?:error|\w+ error)|\[|denied this tool)|\S* ?hook "
    r"|[^\n]{0,200}\bblocked by (?:an? |the )?(?:\w+ )?hook\b"
)
_SIBLING = re.compile(
    r"(?:Error: )?(?:<tool_use_error>)?(?:Sibling tool call errored|Cancelled: parallel tool call)"
)
_DENIALS = frozenset(("user-rejected", "permission-rule", "denied", "rejected"))


def outcome(line: Mapping[str, Any], block: Mapping[str, Any], tool: str | None) -> dict[str, Any]:
    """``failed``, ``error_type`` and the like of the call whose result the block of a line is."""
    result = line.get("toolUseResult")
    content = full_text(block.get("content"))
    is_error = bool(block.get("is_error"))
    denial = text(line.get("toolDenialKind")) or ""
    is_added = is_added_tool(tool or "")
    if is_error and _TIMED_OUT.search(content):
        return {"failed": True, "error": error_text(content), "error_type": "timeout"}
    if (
        denial == "interrupted"
        or (isinstance(result, dict) and result.get("interrupted") is True)
        or (is_error and _INTERRUPTED.search(content))
    ):
        return {"failed": None, "cancelled": True, "error_type": "interrupted"}
    if denial in _DENIALS or (is_error and _is_refusal(line, content, is_own=not is_added)):
        return {"failed": None, "error_type": "user_rejected"}
    if not is_error:
        soft = says_failure(result) or (is_added and says_failure(content))
        return {
            "failed": False,
            "soft_failed": soft,
            "error": error_text(content) if soft else None,
        }
    return {"failed": True, "error": error_text(content), "error_type": _class(content)}


def _is_refusal(line: Mapping[str, Any], content: str, *, is_own: bool) -> bool:
    result = line.get("toolUseResult")
    decision = line.get("permissionDecision")
    if isinstance(decision, dict):
        decision = decision.get("decision") or decision.get("behavior")
    word = text(decision)
    return (
        word in {"reject", "deny", "denied"}
        or (isinstance(result, str) and result.startswith("User rejected"))
        or bool(_REFUSED.match(content))
        or (is_own and bool(_REFUSED_OWN.match(content)))
    )


def _class(content: str) -> str:
    if _EXIT.match(content):
        return "exit_code"
    if _SIBLING.match(content):
        return "sibling_error"
    if content.startswith("<tool_use_error>"):
        return "misuse"
    return "hook" if _HOOK.match(content) else "tool_error"

"""Time grows with the telemetry and not with its square, whatever repeats itself in it."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Any

import pytest
from conftest import END
from engine.timelines import as_lines, opened

CALL: dict[str, Any] = {"ts": END.isoformat(), "act": "tool_call", "name": "x", "status": "ok"}
LINES: dict[str, list[dict[str, Any]]] = {
    "one record": [CALL | {"id": "1"}],
    "a start and ends": [
        {**CALL, "act": act, "trace_id": "t", "id": act}
        for act in ("tool_execution_start", "tool_execution_finish", "tool_execution_error")
    ],
    "ends of one conversation": [CALL | {"conv_id": "c", "act": "tool_execution_finish"}],
    "an answer that goes on": [
        CALL | {"act": act, "trace_id": "t"} for act in ("assistant_response", "auto_continue")
    ],
}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_is_written_very_often_takes_no_square_of_time(
    tmp_path: Path, what: str
) -> None:
    """With the square of the lines it would take minutes of the processor."""
    lines = as_lines(LINES[what])
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(lines * (400_000 // len(LINES[what])))
    started = process_time()
    with opened(logs, tmp_path / "cache") as timeline:
        assert timeline.inventory().malformed == 0
    assert process_time() - started < 40

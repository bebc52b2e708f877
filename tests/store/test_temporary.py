"""Temporary directories go with the processes that made them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tgt.store import temporary


def test_what_killed_processes_left_among_temporary_files_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import pathlib, sys, tempfile, time; from tgt.store import temporary\n"
        "tempfile.tempdir = sys.argv[1]\n"
        "made = temporary.make('tgt-spill-'); (made / 'x').write_text('telemetry')\n"
        "print(made, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        other = Path(process.stdout.readline().decode().strip())
        outside = tmp_path / "outside"
        outside.mkdir()
        (tmp_path / "tgt-spill-link").symlink_to(outside)
        mine = temporary.make("tgt-spill-")
        assert (other / "x").exists(), "who is at work keeps what is his"
        temporary.remove(mine)
        assert not mine.exists()
        process.kill()
        process.wait()
    temporary.remove(temporary.make("tgt-spill-"))
    assert not other.exists()
    assert outside.exists()

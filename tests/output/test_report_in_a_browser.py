"""The page of a report in a real browser: it is drawn, in light and dark, and nothing in it runs.

A picture is written for whoever wants to look at it; the browser's own account of the page is
checked. Skipped where no Chromium is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from invented_reports import hostile, report

from tgt.output.html import report_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
_WIDTH, _HEIGHT = 1200, 1600


def browse(page: str, directory: Path, *arguments: str, dark: bool = False) -> str:
    """What a fresh browser without a network writes to its standard output."""
    file = directory / "report.html"
    file.write_text(page, encoding="ascii")
    scheme = 0 if dark else 1
    done = subprocess.run(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--hide-scrollbars", f"--window-size={_WIDTH},{_HEIGHT}"),
            f"--blink-settings=preferredColorScheme={scheme}",
            f"--user-data-dir={directory / 'profile'}",
            *arguments,
            file.as_uri(),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pixels(picture: Path) -> tuple[int, int, list[bytes]]:
    """Width, bytes of a pixel, and the rows of a PNG of eight bits a channel."""
    data = picture.read_bytes()
    width = int.from_bytes(data[16:20])
    size = {2: 3, 6: 4}[data[25]]
    place, packed = 8, b""
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            packed += data[place + 8 : place + 8 + length]
        place += length + 12
    flat = zlib.decompress(packed)
    stride = width * size
    rows: list[bytes] = []
    above = bytearray(stride)
    for start in range(0, len(flat), stride + 1):
        row = bytearray(flat[start + 1 : start + 1 + stride])
        _unfilter(flat[start], row, above, size)
        rows.append(bytes(row))
        above = row
    return width, size, rows


def _unfilter(kind: int, row: bytearray, above: bytearray, size: int) -> None:
    for n in range(len(row)) if kind else ():
        left = row[n - size] if n >= size else 0
        corner = above[n - size] if n >= size else 0
        if kind == 4:
            guess = left + above[n] - corner
            far = [abs(guess - each) for each in (left, above[n], corner)]
            add = (left, above[n], corner)[far.index(min(far))]
        else:
            add = {1: left, 2: above[n], 3: (left + above[n]) // 2}[kind]
        row[n] = (row[n] + add) & 0xFF


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_drawn(tmp_path: Path, dark: bool) -> None:
    picture = tmp_path / "report.png"
    browse(report_page.page(report()), tmp_path, f"--screenshot={picture}", dark=dark)
    width, size, rows = pixels(picture)
    assert (width, len(rows)) == (_WIDTH, _HEIGHT)
    corner = rows[2][:3]
    assert (max(corner) < 60) if dark else (min(corner) > 200), "the background is that of the mode"
    colours = {row[n : n + 3] for row in rows for n in range(0, len(row), size)}
    bar, bad = (b"\x6b\xa6\xdd", b"\xf0\x7b\x6c") if dark else (b"\x3b\x78\xb5", b"\xc2\x38\x2a")
    assert {bar, bad} <= colours, "there are bars, and some are of failures"
    assert len(colours) > 50, "there is text"


def test_nothing_in_it_runs(tmp_path: Path) -> None:
    """The same page as the browser has it after all that could run has run."""
    page = report_page.page(hostile())
    after = browse(page, tmp_path, "--dump-dom")
    assert "<script" not in after
    assert "onerror=" not in after.replace("onerror=alert(1)&gt;", "")
    assert after.count("<meta") == 5
    assert after.count("<tr>") == page.count("<tr>")


def test_a_script_would_not_run(tmp_path: Path) -> None:
    """The policy of the page is obeyed: what is smuggled into it does nothing."""
    smuggled = "<p id='x'>before</p><script>document.getElementById('x').textContent='RAN'</script>"
    style = "<style>body{display:none}</style>"
    page = report_page.page(report())
    browsed = browse(page.replace("<main>", f"<main>{smuggled}{style}"), tmp_path, "--dump-dom")
    assert ">before<" in browsed
    without = page.replace("Content-Security-Policy", "X-Nothing")
    browsed = browse(without.replace("<main>", f"<main>{smuggled}"), tmp_path, "--dump-dom")
    assert ">RAN<" in browsed, "without the policy it would"

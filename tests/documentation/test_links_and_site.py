"""Every link of every page leads somewhere: where the files lie, and in the site that they make."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, Page, pages, slug

PAGES = {page.name: page for page in pages()}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGES[name]
    assert len(page.headings) == len(page.anchors), "each heading has an anchor of its own"
    for target in page.links:
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        place = ((ROOT / name).parent / path if path else ROOT / name).resolve()
        assert place.is_relative_to(ROOT), f"{target} leads out of the repository"
        assert place.exists(), target
        if anchor:
            assert anchor in Page(str(place.relative_to(ROOT))).anchors, target
    assert not re.findall(r"^\[[^]]+\]: ", page.prose, re.MULTILINE), "links stand where they lead"


@pytest.mark.parametrize("name", PAGES)
def test_what_only_some_programs_understand_is_not_used(name: str) -> None:
    """Tables and blocks of code inside of lists, and lists that their paragraph runs into."""
    text = PAGES[name].text
    assert not re.findall(r"^ +(?:```|\|)", text, re.MULTILINE)
    prose = PAGES[name].prose
    assert not re.findall(r"^(?![-|*]|\d+\. | |<!--)\S.*\n(?:- |\||1\. )", prose, re.MULTILINE)


def test_pages_that_code_names_are_there() -> None:
    """Messages, units and comments that send somebody to a page."""
    places = [*ROOT.glob("systemd/**/*.service"), ROOT / "crontab.example", ROOT / ".env.example"]
    places += [*ROOT.glob("tgt/**/*.py"), *ROOT.glob("benchmarks/*.py"), *ROOT.glob("tests/*.py")]
    named = {
        word
        for place in places
        for word in re.findall(r"\bdocs/[a-z-]+\.(?:md|svg)\b", place.read_text(encoding="utf-8"))
    }
    assert named
    assert {name for name in named if not (ROOT / name).exists()} - {"docs/tools.md"} == set()


def test_a_heading_is_named_as_links_name_it() -> None:
    assert slug("`error_spike`") == "error_spike"
    assert slug("A walk: one line of a ContextLog") == "a-walk-one-line-of-a-contextlog"


def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    pytest.importorskip("mkdocs", reason="the extra dev has it")
    site = tmp_path / "site"
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    built = {path.name for path in site.glob("*.html")}
    wanted = {Path(name).with_suffix(".html").name for name in PAGES} - {"README.html"}
    assert built >= wanted | {"index.html"}
    assert (site / "source/tgt/events.py").read_bytes() == (ROOT / "tgt/events.py").read_bytes()
    for path in (*site.glob("*.html"), *site.rglob("*.css")):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r'(?:src=|<link[^>]* href=|url\()["\']?((?:https?:)?//[^"\')]+)', text)
        assert loaded == [], path.name

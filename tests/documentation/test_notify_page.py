"""docs/notify.md has recipes that work as they stand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Workplace
from pages import Page, coded

from tgt.notify import telling
from tgt.notify.delivery import LONGEST_S
from tgt.notify.news import Item, News
from tgt.output import notification
from tgt.tasks.card import Card, parse_time

PAGE = Page("docs/notify.md")
Make = Callable[..., dict[str, Any]]
DOCUMENT = json.loads(PAGE.block("document"))


def test_the_changes() -> None:
    assert [coded(row[0])[0] for row in PAGE.table("changes")] == list(News)


def test_the_document_is_what_a_command_gets(card_data: Make) -> None:
    told = DOCUMENT["notification"]
    at = parse_time(told["at"])
    assert at is not None
    item = Item(Card(card_data(told["tasks"][0]["id"])), News.NEW)
    assert notification.notification(at, [item], str) == DOCUMENT
    test = notification.test_notification(at)["notification"]
    assert f"`kind` is `{test['kind']}`, and the one task, `{test['tasks'][0]['id']}`" in PAGE.text


def test_the_times() -> None:
    text = PAGE.section("Once each, whatever fails")
    assert LONGEST_S == 60
    assert "does not answer within a minute" in text
    minutes = telling._FIRST_RETRY.total_seconds() / 60
    hours = telling._LAST_RETRY.total_seconds() / 3600
    assert f"{minutes:.0f} minutes later, then {2 * minutes:.0f}, " in text
    assert f"up to {hours:.0f} hours" in text


# --- recipes -------------------------------------------------------------------------------------


@pytest.fixture
def programs(workplace: Workplace) -> Path:
    """A directory with tgt and jq, and room for what the recipes call."""
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    directory = workplace.path / "bin"
    directory.mkdir()
    _program(directory / "tgt", f'exec "{sys.executable}" -m tgt "$@"')
    return directory


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return path


def _recipe(workplace: Workplace, mark: str) -> Path:
    text = PAGE.block(mark)
    assert text.startswith("#!/bin/sh\n")
    return _program(workplace.path / mark, text.removeprefix("#!/bin/sh\n"))


def test_the_recipe_for_the_desktop(workplace: Workplace, programs: Path, card_data: Make) -> None:
    """Nothing in a title is an option or markup to the desktop."""
    target = f"exec:{_recipe(workplace, 'desktop')}"
    _program(programs / "notify-send", 'printf "%s|" "$@" > shown')
    path = f"{programs}:/usr/bin:/bin"
    assert workplace.tgt("notify", TASKGEN_NOTIFY=target, PATH=path).status == 0
    workplace.write_journal(card_data(title="--help <b>$(touch x)</b>"))
    assert workplace.tgt("notify", TASKGEN_NOTIFY=target, PATH=path).err == ""
    assert (workplace.path / "shown").read_text() == (
        "--app-name=tgt|--|tgt|new (high): --help &lt;b&gt;$(touch x)&lt;/b&gt;|"
    )
    assert not (workplace.path / "x").exists()


def test_the_recipe_for_issues_opens_one_for_each_new_task(
    workplace: Workplace, programs: Path, card_data: Make
) -> None:
    """Also when it failed half-way."""
    target = f"exec:{_recipe(workplace, 'issues')} acme/shop"
    _program(
        programs / "gh",
        'printf "%s\\n" "$6" >> titles; cat >> bodies\n'
        '[ "$(wc -l < titles)" != 2 ] || { echo "HTTP 502" >&2; exit 1; }\n'
        'echo "https://github.example/1"',
    )
    settings = {"TASKGEN_NOTIFY": target, "PATH": f"{programs}:/usr/bin:/bin"}
    assert workplace.tgt("notify", **settings).status == 0
    ids = [f"01K94XYZ00{letter}7T4M8R2VXCDGH1A" for letter in "AB"]
    workplace.write_journal(*(card_data(each, title=f"{each} `x`") for each in ids))
    failed = workplace.tgt("notify", **settings)
    assert failed.status == 4
    assert "HTTP 502" in failed.err
    again = workplace.tgt("notify", "--now", "2099-01-01", **settings)
    assert (again.status, again.err) == (0, "")
    titles = (workplace.path / "titles").read_text().splitlines()
    first, second = (f"{each} `x`" for each in ids)
    assert sorted(titles) == sorted([first, second, titles[1]]), "only what failed is tried again"
    assert titles[1] == titles[2]
    assert (workplace.path / "bodies").read_text().count("**Severity:** high") == 3
    links = [task["links"] for task in workplace.tgt("list", "--json").json["tasks"]]
    assert links == [["https://github.example/1"]] * 2
    assert workplace.tgt("notify", "--test", **settings).status == 0
    assert len((workplace.path / "titles").read_text().splitlines()) == 3


def test_the_line_for_cron(workplace: Workplace, card_data: Make) -> None:
    """Silent when people were told, and never when somebody was not."""
    line = PAGE.block("cron")
    *fields, command = line.split(maxsplit=5)
    assert fields == ["3-59/15", "*", "*", "*", "*"]
    assert not re.search(r"(?<!\\)%", command), "cron would cut the command off there"
    home = workplace.path
    for name in (".local/bin", ".local/share/tgt", ".config/tgt"):
        (home / name).mkdir(parents=True)
    (home / ".local/bin/tgt").symlink_to(Path(sys.executable).with_name("tgt"))
    settings = home / ".config/tgt/tgt.env"

    def cron(target: str) -> str:
        settings.write_text(f"FGK_TASKS_DIR={workplace.tasks}\nTASKGEN_NOTIFY={target}\n")
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace(r"\%", "%")],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        return done.stdout

    assert cron("exec:true") == ""
    workplace.write_journal(card_data())
    assert cron("exec:true") == ""
    workplace.write_journal(card_data(severity="critical", updatedAt="2025-11-03T16:00:00.000Z"))
    told = cron("exec:false")
    assert told.startswith("tgt notify: exit status 4\ntgt: warning: exec:false was not told")

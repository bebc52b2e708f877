"""The short way to the task directory says what the whole settings say, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import Workplace

from tgt import config
from tgt.cli import plain_settings


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A process whose environment and working directory set nothing."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("TASKGEN_", "FGK_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"FGK_TASKS_DIR": "tasks"},
        {"FGK_TASKS_DIR": " /srv/agents/tasks "},
        {"FGK_TASKS_DIR": ""},
        {"FGK_TASKS_DIR": "tasks", "FGK_CONTEXTLOG_DIR": "logs"},
        {"TASKGEN": "no setting", "taskgen_max_tasks": "no setting either"},
    ],
)
def test_the_short_way_ends_where_the_long_one_does(
    alone: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    assert plain_settings.tasks_directory() == config.load().tasks_dir


@pytest.mark.parametrize(
    "variables",
    [
        {"TASKGEN_MAX_TASKS": "0"},
        {"TASKGEN_MXA_TASKS": "5"},
        {"FGK_TASKS_DIR": " "},
        {"FGK_TASKS_DIR": "~/tasks"},
        {"FGK_CONTEXTLOG_DIR": "\t"},
    ],
)
def test_whatever_needs_a_check_takes_the_long_way(
    alone: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    assert plain_settings.tasks_directory() is None


@pytest.mark.parametrize("variables", [{}, {"FGK_TASKS_DIR": "mine"}])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing but a remark\n\n",
        "FGK_TASKS_DIR=/srv/tasks\n",
        "FGK_TASKS_DIR=/srv/t\u00e4sks\nTASKGEN_SOURCE=claude-code,otlp:/srv/log",
        "FGK_TASKS_DIR=one\nFGK_TASKS_DIR=two=2\n",
        "TASKGEN_SOURCE=ndjson:/srv/log?map=/srv/50%.toml\nFGK_CONTEXTLOG_DIR=logs\n",
    ],
)
def test_a_file_as_init_writes_it_is_short_as_well(
    alone: pytest.MonkeyPatch, tmp_path: Path, text: str, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        alone.setenv(name, value)
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert plain_settings.tasks_directory() == config.load().tasks_dir


@pytest.mark.parametrize(
    "text",
    [
        b"FGK_TASKS_DIR=~/tasks\n",
        b"FGK_TASKS_DIR='/srv/my tasks'\n",
        b"FGK_TASKS_DIR=/srv/tasks # mine\n",
        b"FGK_TASKS_DIR=/srv/tasks\r\n",
        b" FGK_TASKS_DIR=/srv/tasks\n",
        b"export FGK_TASKS_DIR=/srv/tasks\n",
        b"FGK_TASKS_DIR=/srv/$USER\n",
        b"FGK_TASKS_DIR=\n",
        b"FGK_TASKS_DIR=\xff\n",
        b"TASKGEN_SOURCE=nonsense\n",
        b"TASKGEN_SOURCE=otlp\n",
        b"TASKGEN_MAX_TASKS=3\n",
        b"TASKGEN_MXA_TASKS=3\n",
        b"DATABASE_URL=x\n",
        b"#" * 20_000,
    ],
)
def test_a_file_of_any_other_form_takes_the_long_way(
    alone: pytest.MonkeyPatch, tmp_path: Path, text: bytes
) -> None:
    assert alone is not None
    (tmp_path / ".env").write_bytes(text)
    assert plain_settings.tasks_directory() is None


@pytest.mark.parametrize("place", [".env", ".config/tgt/tgt.env", "elsewhere/tgt/tgt.env"])
def test_a_settings_file_that_cannot_be_read_takes_the_long_way(
    alone: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    if place.startswith("elsewhere"):
        alone.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    assert plain_settings.tasks_directory() is not None
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to("nowhere")
    assert plain_settings.tasks_directory() is None


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TASKGEN_MAX_TASKS": "0"}, "TASKGEN_MAX_TASKS='0' is not usable"),
        ({"FGK_TASKS_DIR": " "}, "FGK_TASKS_DIR=' ' is not usable"),
        ({"TASKGEN_MXA_TASKS": "5"}, "did you mean TASKGEN_MAX_TASKS?"),
    ],
)
def test_a_command_that_needs_one_setting_still_checks_all(
    workplace: Workplace, variables: dict[str, str], told: str
) -> None:
    assert told in workplace.tgt("list", **variables).err

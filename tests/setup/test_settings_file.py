"""The settings file that is written says the same wherever tgt is called."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from tgt import config
from tgt.errors import SettingsError, StoreError
from tgt.setup import settings_file
from tgt.setup.telemetry import anywhere
from tgt.sources.spec import Spec, parse

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and one stands in a directory below it."""
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def written(home: Path, *specs: Spec, here: bool = False, **environ: str) -> dict[str, str]:
    """The values that are written, as they are read again."""
    settings = config.load(environ=environ)
    told = settings_file.values(specs, settings, here=here)
    path = home / "written.env"
    path.unlink(missing_ok=True)
    settings_file.write(path, settings_file.text(told, NOW), home / "t")
    effective = config.effective(config.load(environ={}, env_file=path))
    assert {name: effective[name] for name in told} == told
    return told


def test_tasks_go_where_state_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codex = Spec("codex")
    usual = {"TASKGEN_SOURCE": "codex", "FGK_TASKS_DIR": f"{home}/.local/state/tgt"}
    assert written(home, codex) == usual
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    assert written(home, codex)["FGK_TASKS_DIR"] == f"{home}/state/tgt"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert written(home, codex) == usual, "which the specification says to ignore"


def test_tasks_that_are_there_stay_there(home: Path) -> None:
    here = f"{home}/work/.forgekeeper/tasks"
    assert written(home, Spec("codex"), here=True)["FGK_TASKS_DIR"] == here
    Path(here).mkdir(parents=True)
    assert written(home, Spec("codex"))["FGK_TASKS_DIR"] != here, "no task was ever saved there"
    (Path(here) / "generated_tasks.jsonl").touch()
    assert written(home, Spec("codex"))["FGK_TASKS_DIR"] == here
    told = written(home, Spec("codex"), FGK_TASKS_DIR="mine")
    assert told["FGK_TASKS_DIR"] == f"{home}/work/mine"


def test_a_context_log_is_named_by_its_whole_path(home: Path) -> None:
    told = written(home, Spec("contextlog"))
    assert told["FGK_CONTEXTLOG_DIR"] == f"{home}/work/.forgekeeper/context_log"


@pytest.mark.parametrize("name", ["a b", "it's", "50% #1", "\\n", '"', "$HOME", "ä", "a\nb"])
def test_any_name_of_a_directory_is_read_as_it_is(home: Path, name: str) -> None:
    assert written(home, Spec("codex"), FGK_TASKS_DIR=f"/tasks/{name}")["FGK_TASKS_DIR"] == (
        f"/tasks/{name}"
    )


def test_it_is_private_and_never_in_the_place_of_another(home: Path) -> None:
    path = home / "new/tgt.env"
    settings_file.write(path, "FGK_TASKS_DIR=a\n", home / "a")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for _ in range(2):
        with pytest.raises(StoreError, match="is there already"):
            settings_file.write(path, "FGK_TASKS_DIR=b\n", home / "b")
        assert path.read_text() == "FGK_TASKS_DIR=a\n"
        path.unlink()
        path.symlink_to(home / "nowhere")
        path.unlink()
        path.write_text("FGK_TASKS_DIR=a\n")


def test_where_it_cannot_be_written_nothing_is_left(home: Path) -> None:
    (home / "file").write_text("no directory")
    before = set(home.iterdir())
    for path, tasks in (("file/tgt.env", "state/tgt"), ("new.env", "file/tasks")):
        with pytest.raises(StoreError, match="file"):
            settings_file.write(home / path, "FGK_TASKS_DIR=a\n", home / tasks)
        assert set(home.iterdir()) == before


@pytest.mark.parametrize(
    ("spec", "environ", "told"),
    [
        ("codex", {}, "codex"),
        ("codex", {"CODEX_HOME": "/data/codex"}, "codex:/data/codex/sessions"),
        ("otlp:logs", {}, "otlp:{work}/logs"),
        ("otlp:/var/logs", {}, "otlp:/var/logs"),
        ("ndjson:logs?map=map.toml", {}, "ndjson:{work}/logs?map={work}/map.toml"),
    ],
)
def test_a_source_is_named_so_that_a_timer_finds_it(
    home: Path, spec: str, environ: dict[str, str], told: str
) -> None:
    """Which has neither this directory nor the variables of this shell."""
    (parsed,) = parse(spec)
    assert str(anywhere(parsed, environ)[0]) == told.format(work=home / "work")


def test_a_path_that_a_list_cannot_hold_is_refused() -> None:
    with pytest.raises(SettingsError, match="TASKGEN_SOURCE cannot name"):
        anywhere(Spec("otlp", Path("/logs, old")), {})


@pytest.mark.parametrize(
    ("files", "chosen", "exists"),
    [
        ({}, ".config/tgt/tgt.env", False),
        ({".config/tgt/tgt.env": "TASKGEN_SOURCE=codex"}, ".config/tgt/tgt.env", True),
        ({"work/.env": "TASKGEN_SOURCE=codex"}, "work/.env", True),
        ({"work/.env": "DATABASE_URL=x"}, ".config/tgt/tgt.env", False),
        ({".config/tgt/tgt.env": "# nothing yet"}, ".config/tgt/tgt.env", True),
    ],
)
def test_the_file_in_force_is_the_one(
    home: Path, files: dict[str, str], chosen: str, exists: bool
) -> None:
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(f"{text}\n")
    target = settings_file.target(None, here=False)
    assert (target.path, target.exists) == (home / chosen, exists)
    has_foreign = files.get("work/.env", "").startswith("DATABASE")
    assert (target.shadowed_by is not None) is has_foreign


def test_a_file_can_be_chosen(home: Path) -> None:
    assert settings_file.target(None, here=True).path == home / "work/.env"
    assert settings_file.target(Path("my.env"), here=False).path == home / "work/my.env"

"""What an agent works on: worktrees of one repository are one project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tgt.sources.projects import project_name

GIT = shutil.which("git")


@pytest.mark.parametrize(
    ("directory", "project", "why"),
    [
        ("/home/u/website", "website", "a directory"),
        ("/home/u/website/", "website", "with a slash behind it"),
        ("/home/u/website/src", "src", "one inside another"),
        ("C:\\Users\\u\\website", "website", "of another system"),
        ("C:\\", None, "a root"),
        ("/", None, "a root"),
        ("", None, "nothing"),
        (None, None, "nothing"),
        ("website", "website", "no absolute one"),
        ("/home/u/website/.claude/worktrees/fix-login", "website", "where Claude Code makes them"),
        ("C:\\u\\website\\.claude\\worktrees\\fix-login", "website", "the same elsewhere"),
        ("/home/u/website/.worktrees/fix-login", "website", "inside the repository"),
        ("/home/u/website/worktrees/fix-login", "website", "not hidden"),
        ("/home/u/website-worktrees/fix-login", "website", "beside the repository"),
        ("/home/u/website.worktrees/fix-login", "website", "with a dot"),
        ("/home/u/.cursor/worktrees/website/abc", "website", "where Cursor makes them"),
        ("/home/u/.codex/worktrees/3f2a/website", "website", "where Codex makes them"),
        ("/home/u/worktrees", "worktrees", "a project of that name"),
        ("/worktrees/x", "x", "no repository around it"),
        ("/home/u/worktrees/x", "x", "a home is no repository"),
        ("/Users/u/.claude/worktrees/x", "x", "nor another one"),
        ("/home/u/networktrees/x", "x", "a longer word"),
        ("/home/u/\0x", "\0x", "no path at all"),
    ],
)
def test_where_the_directory_is_gone_its_place_tells_it(
    directory: str | None, project: str | None, why: str
) -> None:
    assert project_name(directory) == project


def _git(*arguments: str, cwd: Path) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(
        [str(GIT), *identity, *arguments], cwd=cwd, check=True, capture_output=True, env=environment
    )


@pytest.mark.skipif(GIT is None, reason="there is no git")
def test_git_itself_is_understood(tmp_path: Path) -> None:
    main = tmp_path / "website"
    main.mkdir()
    _git("init", "-q", cwd=main)
    _git("commit", "-q", "--allow-empty", "-m", "x", cwd=main)
    _git("worktree", "add", "-q", str(tmp_path / "elsewhere" / "login"), "-b", "login", cwd=main)
    _git("clone", "-q", "--bare", str(main), str(tmp_path / "bare.git"), cwd=tmp_path)
    bare = tmp_path / "bare.git"
    _git("worktree", "add", "-q", str(tmp_path / "of-bare"), "-b", "other", cwd=bare)
    assert project_name(str(main)) == "website"
    assert project_name(str(tmp_path / "elsewhere" / "login")) == "website"
    assert project_name(str(tmp_path / "of-bare")) == "bare"


@pytest.mark.parametrize(
    ("told", "project", "why"),
    [
        ("gitdir: ../website/.git/modules/part\n", "part", "a submodule is a project of its own"),
        ("gitdir: ../website/.git/worktrees/part\n", "website", "git's own part of it is gone"),
        ("gitdir:\n", "part", "it says nothing"),
        ("nonsense", "part", "it is no file of git"),
        ("", "part", "it is empty"),
    ],
)
def test_what_a_file_of_git_says(tmp_path: Path, told: str, project: str, why: str) -> None:
    directory = tmp_path / "part"
    directory.mkdir()
    (directory / ".git").write_text(told)
    assert project_name(str(directory)) == project


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    for name in ("pipe", "link", "inside"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "pipe" / ".git")
    (tmp_path / "link" / ".git").symlink_to("/dev/zero")
    own = tmp_path / "git" / "worktrees" / "x"
    own.mkdir(parents=True)
    os.mkfifo(own / "commondir")
    (tmp_path / "inside" / ".git").write_text(f"gitdir: {own}\n")
    assert project_name(str(tmp_path / "pipe")) == "pipe"
    assert project_name(str(tmp_path / "link")) == "link"
    assert project_name(str(tmp_path / "inside")) == "git"

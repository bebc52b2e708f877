"""What an installation takes is bounded and told, and holds what it should and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
TAKEN = [
    Requirement(each)
    for group in (
        PROJECT["project"]["dependencies"],
        PROJECT["project"]["optional-dependencies"]["clickhouse"],
        PROJECT["project"]["optional-dependencies"]["mcp"],
        PROJECT["project"]["optional-dependencies"]["notify"],
        PROJECT["project"]["optional-dependencies"]["tui"],
    )
    for each in group
]


def test_every_dependency_ends_before_what_may_break_it() -> None:
    open_ended = [
        str(each)
        for each in TAKEN
        if not any(s.operator in {"<", "==", "~="} for s in each.specifier)
    ]
    assert open_ended == []


def test_the_constraints_name_a_version_of_all_that_is_installed() -> None:
    assert [str(r) for r in TAKEN if not r.specifier.contains(CONSTRAINTS[r.name])] == []
    needed: set[str] = set()
    left = list(TAKEN)
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        if name in needed:
            continue
        needed.add(name)
        if _installed(name) != CONSTRAINTS.get(name):
            continue  # what another version needs is not what the constraints are for
        below = map(Requirement, requires(name) or ())
        left += [
            each for each in below if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    assert needed <= set(CONSTRAINTS)


def _installed(name: str) -> str:
    """The version that is there; of an extra that is not installed none is."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def test_the_constraints_are_names_and_versions_and_no_place_to_fetch_from() -> None:
    for name, which in CONSTRAINTS.items():
        assert name == canonicalize_name(name)
        assert re.fullmatch(r"\d[\w.]*", which), name


def test_the_wheel_holds_the_program_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the extra dev has it")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.iterdir()
    held = set(zipfile.ZipFile(wheel).namelist())
    program = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tgt").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    units = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    about = {name for name in held if re.match(r"tgt-[\d.]+\.dist-info/", name)}
    assert held - about == program | set(units.values())
    assert {name.partition("/")[2] for name in about} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"),
    }

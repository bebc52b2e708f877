"""A build backend (PEP 517) that needs nothing but Python: the package, zipped, with metadata."""

from __future__ import annotations

import tomllib
import zipfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parent


def build_wheel(directory: str, settings: Any = None, metadata_directory: Any = None) -> str:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    stem = f"{project['name'].replace('-', '_')}-{project['version']}"
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in named.items())
        for group, named in project["entry-points"].items()
    )
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    files = {
        **{
            str(path.relative_to(PROJECT)): path.read_text()
            for path in sorted((PROJECT / "tgt_example").glob("*.py"))
        },
        f"{stem}.dist-info/METADATA": head,
        f"{stem}.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: backend\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"{stem}.dist-info/entry_points.txt": points,
    }
    files[f"{stem}.dist-info/RECORD"] = "".join(
        f"{name},,\n" for name in (*files, f"{stem}.dist-info/RECORD")
    )
    wheel = f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(Path(directory) / wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel

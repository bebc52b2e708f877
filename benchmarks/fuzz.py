"""Coverage-guided fuzzing of what reads text from outside, by hand and for as long as one likes.

    pip install -e '.[fuzz]'
    python benchmarks/fuzz.py masking -max_total_time=600

The targets are those of ``fuzz_targets``, and it begins with the corpus of the tests; what it finds
is added there. It is no part of the tests because it has no end, and atheris no dependency because
nothing else needs it.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# It need not be there where this file is only checked.
atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["tgt"]):
    from benchmarks.fuzz_targets import TARGETS


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python {sys.argv[0]} {{{','.join(TARGETS)}}} [libFuzzer options]")
    name = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="tgt-fuzz-") as made:
        place, kept = Path(made) / "place", Path(made) / "kept"
        place.mkdir()
        kept.mkdir()
        # What it thinks worth keeping goes to the first directory.
        corpus = [str(kept), str(ROOT / "tests" / "corpus" / name)]
        atheris.Setup(
            [sys.argv[0], *corpus, *sys.argv[2:]], lambda data: TARGETS[name](data, place)
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""How many secrets are shown, and how much evidence is masked wrongly.

    python benchmarks/masking.py [--rounds 5] [--verbose]

The texts are those of tests/redact, filled with other random letters in each round; a table is
printed, one line for each kind that has a fault and one for all.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from time import process_time

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import invented_secrets as invented

from tgt.redact import redact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--verbose", action="store_true", help="print the texts with a fault")
    options = parser.parse_args()
    started = process_time()
    tried, shown = secrets_shown(options.rounds, options.verbose)
    controls, masked = evidence_masked(options.rounds, options.verbose)
    seconds = process_time() - started
    print(f"{'kind':32} {'tried':>8} {'at fault':>8}")
    for kind in sorted(shown | masked):
        print(f"{kind:32} {(tried | controls)[kind]:8} {(shown | masked)[kind]:8}")
    _total("secrets shown", tried, shown)
    _total("evidence masked", controls, masked)
    print(f"{seconds / (tried.total() + controls.total()) * 1e6:.0f} microseconds a text")


def secrets_shown(rounds: int, verbose: bool) -> tuple[Counter[str], Counter[str]]:
    """Texts with secrets by kind: all, and those of which a secret can still be read."""
    tried: Counter[str] = Counter()
    shown: Counter[str] = Counter()
    data = invented.table("secrets.toml")
    groups = {**data["masked"], "everyday": data["everyday"]["texts"]}
    printed = invented.table("agents.toml")
    for table in ("shown", "unknown"):
        groups |= {f"agents: {table} {k}": texts for k, texts in printed[table].items()}
    for kind, text in ((k, t) for k, texts in groups.items() for t in texts):
        for seed in range(rounds):
            marked = invented.filled(text, seed)
            result = redact(invented.bare(marked))
            tried[kind] += 1
            if any(secret in result for secret in invented.secrets(marked)):
                shown[kind] += 1
                if verbose:
                    print(f"shown: {marked}\n    as {result}")
    return tried, shown


def evidence_masked(rounds: int, verbose: bool) -> tuple[Counter[str], Counter[str]]:
    """Texts without a secret by group: all, and those of which something is masked."""
    tried: Counter[str] = Counter()
    masked: Counter[str] = Counter()
    groups = {name: group["texts"] for name, group in invented.table("evidence.toml").items()}
    groups |= {f"near {k}": texts for k, texts in invented.table("secrets.toml")["near"].items()}
    printed = invented.table("agents.toml")["evidence"]
    groups |= {f"agents: evidence {k}": texts for k, texts in printed.items()}
    for name, text in ((n, t) for n, texts in groups.items() for t in texts):
        for seed in range(rounds):
            plain = invented.filled(text, seed)
            tried[name] += 1
            if redact(plain) != plain:
                masked[name] += 1
                if verbose:
                    print(f"masked: {plain}\n    as {redact(plain)}")
    return tried, masked


def _total(what: str, tried: Counter[str], at_fault: Counter[str]) -> None:
    share = at_fault.total() / tried.total()
    print(f"{what:32} {tried.total():8} {at_fault.total():8} {share:8.2%}")


if __name__ == "__main__":
    main()

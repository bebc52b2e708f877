"""``python -m tgt`` is the same program as ``tgt``."""

from tgt.cli import main

if __name__ == "__main__":
    main()

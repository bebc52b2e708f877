"""A plug-in whose own dependency is not installed."""

import nothing_of_this_name  # type: ignore[import-not-found] # noqa: F401 it is not there

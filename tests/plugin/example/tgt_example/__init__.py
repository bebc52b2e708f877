"""Plug-ins for tgt: an analyzer, a source, an engine and a notifier, and some that fail."""

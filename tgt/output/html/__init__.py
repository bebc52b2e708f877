"""Pages for a browser: one file each, with nothing from outside and no script."""

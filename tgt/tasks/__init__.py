"""Cards and what is decided about them: pure, without a clock or a file."""

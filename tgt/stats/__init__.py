"""Statistics: pure functions of counts."""

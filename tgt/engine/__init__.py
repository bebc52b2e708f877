"""What answers questions over events."""

"""What is durable: files, locks, the journal and the small state file."""

"""Results in, characters out: nothing here decides, reads a file or knows a command."""

"""Rules of one's own: questions over canonical events, and limits of subjects, as data."""

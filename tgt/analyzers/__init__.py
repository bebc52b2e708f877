"""One file per analyzer: signals, and the judgement that turns a reading into a finding."""

"""What every run has: a name, its parameters on record, a log, an observer, a directory to fill."""

"""The rows that a run learns from: where they are found, how they are read, split and tokenized."""

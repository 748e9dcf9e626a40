"""A fine-tuning run: its preparation, the run in order, a plan of it, a series of several seeds."""

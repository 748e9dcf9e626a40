"""What visitors are told of a model: its card, its measures in words, its pictures."""

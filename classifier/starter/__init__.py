"""The model that a fresh clone serves: a LoRA adapter of ours on a base that a package carries."""

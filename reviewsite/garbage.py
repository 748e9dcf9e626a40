"""How often this process looks for garbage that refers to itself."""

import gc

# Allocations less deallocations before the young are looked through, how many such looks before
# the older ones are, and how many of those before all are. Python's own 700, 10 and 10 go through
# every module again and again while modules are imported, which leave no such garbage: a fifth of
# the time that importing torch takes.
SELDOM = (10_000, 50, 50)


def collect_seldom() -> None:
    """Look rarely: an import, a request and a step of training make few cycles."""
    gc.set_threshold(*SELDOM)

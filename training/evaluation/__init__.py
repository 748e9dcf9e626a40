"""How good a model is: what it says of labelled rows, and the measures of that."""

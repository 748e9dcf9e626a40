"""Review: which prediction a person looks at next, what they say of it, and what visitors said."""

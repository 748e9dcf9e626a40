"""Why a text got its rating: what its sentences and words add to P(POSITIVE)."""

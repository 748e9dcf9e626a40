"""Model versions: registered as candidates, checked, activated without a restart, rolled back."""

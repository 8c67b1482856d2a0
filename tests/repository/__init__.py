"""What the repository promises of itself: arrows, purity, names, documentation, locks."""

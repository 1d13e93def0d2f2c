"""Programs import this module beside the others, and use nothing of it."""

"""The daemon of a home, and the commands that start it, stop it and point clients at it."""

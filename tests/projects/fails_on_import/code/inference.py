"""Fails in a module that it imports."""

import broken

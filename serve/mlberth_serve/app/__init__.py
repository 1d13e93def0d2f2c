"""The WSGI application: what HTTP means for a prediction, and every other route.

Runs in the workers; built in the arbiter before the fork. May import `inference` and what that may.
"""

"""nginx, as the supervisor sees it: its configuration, its process, its workers and its error log.

Runs in the supervisor's process. May import `shared` and the root.
"""

"""Topics of SNS: messages kept in a file a topic, and sent to HTTP subscribers from a queue on disk.

Runs in the daemon: published in any thread, sent in threads of its own. May import `store` and the root.
"""

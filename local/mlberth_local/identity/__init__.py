"""The signatures of requests: who asks, and the sessions that keys begin."""

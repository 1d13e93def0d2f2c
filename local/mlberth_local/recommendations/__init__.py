"""Recommendations: load tests of a model in several configurations, and the cheapest of those.

Runs in the daemon, one job after another; `__main__` is the load generator, a process of its own for each
test. May import the rooms to its left: instances are endpoints.
"""

"""Asynchronous inference: requests in a queue on disk, their answers in buckets, and what is said of them.

Runs in the daemon: one thread gives requests to instances, and one for each request that an instance has. May
import the rooms to its left, up to `endpoints`.
"""

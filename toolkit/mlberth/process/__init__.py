"""Processes: children, signals, PID 1's duties, output passed on, and what the machine ran out of.

Runs in the commands. Standard library; may import the root and `contract`.
"""

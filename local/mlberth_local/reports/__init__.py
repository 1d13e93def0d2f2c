"""Reports about endpoints: what the platform has measured, for people and for programs.

Runs in the command's own process, and reads the files of a home. May import all rooms to its left.
"""

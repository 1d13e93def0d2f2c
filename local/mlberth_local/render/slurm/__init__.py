"""Batch scripts for Slurm of a job's request.

Pure functions of checked requests, in the command `mlberth render`; may import the rooms before `render`.
"""

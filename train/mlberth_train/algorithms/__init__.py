"""Algorithms that train without a program of the user: `python -m mlberth_train.algorithms NAME`.

Runs in the place of the user's program, in a process of its own. May import the toolkit and the root;
libraries are imported inside the functions that need them. `train` and `mlberth` import the tables alone,
so that a job is checked before it runs.
"""

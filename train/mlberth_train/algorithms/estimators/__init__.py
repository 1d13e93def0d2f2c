"""The platform's own algorithms on scikit-learn, one a file, each with an ALGORITHM for the registry.

Runs in the process of `python -m mlberth_train.algorithms`. May import the toolkit, the root and the rest of
this room; numpy and scikit-learn are imported inside the functions that need them.
"""

"""Models of `train`'s own algorithms, served without code: `algorithm.npz`, and the platform's formats.

Runs in the worker. May import `codecs`, `handler`, `frameworks` and what is to their left. Numpy alone: what
scikit-learn has learnt is arrays here.
"""

"""The processes of a distributed program: on each host an agent, and below it a process for each rank.

Runs in children of `train`, as `python -m mlberth_train.ranks`; agents speak with each other over TCP. May
import the toolkit, `log`, `settings` and `variables`.
"""

"""Application Auto Scaling: the numbers of instances of endpoints' variants, by policies and schedules.

One thread of the daemon decides; it acts on endpoints through `Variants`.
May import `alarms`, `endpoints`, `store` and the root.
"""

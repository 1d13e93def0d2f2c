"""CloudWatch's alarms: metrics queried and calculated with, judged in a thread of the daemon, actions.

May import `store` and the root; what an action does comes in by keyword.
"""

"""The HTTP side of the platform: finds the operation of a request, checks it, calls it, writes the answer.

Runs in the daemon's event loop; operations run in its threads. The forms of requests and answers are
those of botocore's service models.
"""

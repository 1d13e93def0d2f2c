"""The model manager: one process that answers /models, and starts, watches and ends each model's processes.

It never imports or runs anything of the user's; nginx sends predictions straight to a model's own socket.
May import `shared`, `usercode`, the root, and what is in `control` for every kind of server.
"""

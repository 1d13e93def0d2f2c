"""The control plane: the process of the `serve` command, which starts, watches, reloads and stops the others.

It may import `shared`, `usercode` and the modules beside it, never the data plane's rooms: what it knows of
the workers it reads from `shared` memory and files.
"""

"""Streams in both directions, over HTTP/2; they run in the gateway's process.

`front` accepts, `http2` speaks with clients, `container` with containers, and `session` passes on what either
says. May import the rooms `gateway`, `gateway/health`, `gateway/proxy` and the root.
"""

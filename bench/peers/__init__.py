"""Every peer of mlberth's. To add one: a module with a SERVER, a .txt with its pins, and a line here."""

from __future__ import annotations

from bench.peers import (
    bentoml,
    flask_gthread,
    litserve,
    mlflow,
    mlserver,
    multi_model_server,
    own_container,
    torchserve,
)
from bench.server import Server

PEERS: dict[str, Server] = {
    peer.SERVER.name: peer.SERVER
    for peer in (
        flask_gthread,
        own_container,
        multi_model_server,
        litserve,
        mlserver,
        bentoml,
        mlflow,
        torchserve,
    )
}

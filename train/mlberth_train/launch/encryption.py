"""The encryption of what hosts send each other: asked for, and given by no launcher.

A job that asks for it is refused rather than run in plain text. The platform's own setting is another one: a
platform that encrypts the network itself tells no container. Certificates for the libraries that have TLS
are not made here: hosts share no secret, so the leader could not tell who asks it for one, and would send
keys over the very network that is to be encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlberth.envvars import Reader
from mlberth.errors import Fault
from mlberth_train.variables import ENCRYPTION

_REASONS = {
    "torchrun": "gloo has TLS only if PyTorch was built for it, which published packages are not; NCCL and "
    "the rendezvous have none",
    "mpi": "Open MPI has none",
    "xgboost": "XGBoost's collective has none",
    "dask": "Dask's TLS needs certificates, and hosts have no safe way to hand them out",
    "parameter_server": "TensorFlow's servers have none",
    "multi_worker_mirrored": "TensorFlow's servers have none",
}
_UNKNOWN = "what the program itself sends is not known"


def find_unencrypted(launcher: str | None, hosts: Sequence[str], environ: Mapping[str, str]) -> Fault | None:
    """Return why a job that asks for encryption cannot have it; None if it can, or does not ask."""
    if len(hosts) < 2 or not Reader(environ).get(ENCRYPTION):
        return None
    how = f"the launcher {launcher}" if launcher else "no launcher"
    return Fault(
        ENCRYPTION.name,
        f"true, for {len(hosts)} hosts and {how}: {_REASONS.get(launcher or '', _UNKNOWN)}",
        "a job on one host, or false",
        "Encrypt the network between the hosts (WireGuard, IPsec, or the cluster's own), and take it away.",
    )

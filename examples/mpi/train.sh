#!/bin/sh
# Two ranks on this machine. A stop signal reaches mpirun, which passes it on to both.
# A container's user is often root or has no name, and its CPUs are not the machine's: hence the options.
exec mpirun -np 2 --allow-run-as-root --oversubscribe --bind-to none python train.py "$@"

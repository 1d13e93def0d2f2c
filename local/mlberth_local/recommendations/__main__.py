"""`python -m mlberth_local.recommendations`: the load generator, started by the daemon for each test."""

from __future__ import annotations

from mlberth_local.recommendations.load import main

if __name__ == "__main__":
    main()

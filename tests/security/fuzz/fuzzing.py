"""What every fuzzer shares: its seed, how many inputs it makes, what it keeps and what it prints.

MLBERTH_FUZZ_SEED     the seed, printed by each run; without one a short run has always the same
MLBERTH_FUZZ_ONLY     the number of one input: nothing else is run
MLBERTH_FUZZ_MINUTES  how long each fuzzer may take; 60 without
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

LONG = os.environ.get("MLBERTH_LONG") == "1"
SEED = int(os.environ.get("MLBERTH_FUZZ_SEED", time.time_ns() % 10**9 if LONG else 7))
_ONLY = os.environ.get("MLBERTH_FUZZ_ONLY")
_KEPT = Path(__file__).parents[3] / "build/fuzz"
_LONGEST = 60 * float(os.environ.get("MLBERTH_FUZZ_MINUTES", "60"))


class Fuzzer:
    """The inputs of one fuzzer by their numbers; the same seed and number are always the same input."""

    def __init__(self, name: str, *, short: int, long: int) -> None:
        self.name = name
        self._max = long if LONG else short
        self._began = time.monotonic()
        self.failures: list[str] = []

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of the inputs, for as long as there is time."""
        if _ONLY:
            yield int(_ONLY)
            return
        for number in range(self._max):
            if time.monotonic() - self._began > _LONGEST:
                return
            yield number

    def chance(self, number: int) -> random.Random:
        """Return what an input is made with."""
        return random.Random(f"{SEED} {self.name} {number}")

    def fail(self, number: int, problem: str, data: bytes) -> None:
        """Keep an input that has shown a fault."""
        if len(self.failures) < 100:
            _KEPT.mkdir(parents=True, exist_ok=True)
            path = _KEPT / f"{self.name}-{SEED}-{number}"
            path.write_bytes(data)
            again = f"MLBERTH_FUZZ_SEED={SEED} MLBERTH_FUZZ_ONLY={number}"
            self.failures.append(f"{problem}: {data[:500]!r} ({path}; again with {again})")

    def report(self, **figures: int) -> None:
        """Print one line of figures."""
        took = time.monotonic() - self._began
        line = {"fuzz": self.name, "seed": SEED, **figures, "seconds": round(took, 1)}
        sys.stdout.write(f"\n{json.dumps(line)}\n")


def mutated(data: bytes, chance: random.Random, words: list[bytes]) -> bytes:
    """Return bytes with one to three faults."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        _mutate(changed, chance, words)
    return bytes(changed)


def _mutate(data: bytearray, chance: random.Random, words: list[bytes]) -> None:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice([1, 1, 2, 4, 16, 64]))
    fault = chance.randrange(7)
    if fault <= 1 and start < len(data):
        data[start] ^= 1 << chance.randrange(8)
    elif fault == 2:
        data[start:end] = b""
    elif fault == 3:
        data[start:start] = data[start:end]
    elif fault == 4:
        data[start:end] = chance.choice(words)
    elif fault == 5:
        data[start:start] = chance.choice(words)
    else:
        data[start:end] = chance.randbytes(end - start)


def in_pieces(data: bytes, chance: random.Random) -> list[bytes]:
    """Return bytes whole, or parted at up to three places."""
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.choice([0, 0, 0, 1, 2, 3])))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]

"""A processing job: flowers for two hosts to learn from, and others to be told apart later."""

from pathlib import Path

INPUT, OUTPUT = Path("/opt/ml/processing/input"), Path("/opt/ml/processing/output")
HELD_BACK = 5
"""Every fifth flower is not learnt from."""

rows = (INPUT / "flowers/iris.csv").read_text().split()
learnt = [row for number, row in enumerate(rows) if number % HELD_BACK]
for host in range(2):
    (OUTPUT / f"train/part-{host}.csv").write_text("\n".join(learnt[host::2]) + "\n")
# The first column is the species, which the model is to find.
unknown = [row.partition(",")[2] for row in rows[::HELD_BACK]]
(OUTPUT / "rows/rows.csv").write_text("\n".join(unknown) + "\n")
print(f"{len(learnt)} flowers to learn from, {len(unknown)} held back")

"""`text/libsvm`: sparse rows of `column:value`, read only.

- A row a line: cells apart by white space. A first cell without a colon is a label, which is left
  out, and so are `qid:` and what follows `#`. Blank lines are skipped; a label alone is an empty row.
- Columns count from 0, as XGBoost reads its own files; nothing is guessed from the numbers. A row
  that is narrower than the model has no cells there.
"""

from __future__ import annotations

import numpy as np

from mlberth_serve.codecs.base import Decoded
from mlberth_serve.codecs.sparse import Row, to_csr
from mlberth_serve.codecs.text import decode_text
from mlberth_serve.errors import BadRequestError
from mlberth_serve.media_types import MediaType

_WIDE = 10**18


def decode(body: bytes, media_type: MediaType) -> Decoded:
    """Return the rows of a body as a csr_matrix of float64."""
    text = decode_text(body, media_type)
    if not text.isascii() or "_" in text:  # which Python's numbers would take
        raise BadRequestError("The libsvm body holds something other than numbers.")
    lines = [line.partition("#")[0].split() for line in text.splitlines()]
    rows = [_row(cells, number) for number, cells in enumerate(lines, 1) if cells]
    if not rows:
        raise BadRequestError("The libsvm body holds no rows.")
    return Decoded(to_csr(rows))


def _row(cells: list[str], number: int) -> Row:
    if ":" not in cells[0]:
        cells = cells[1:]
    if cells and cells[0].startswith("qid:"):
        cells = cells[1:]
    pairs = [cell.split(":", 1) for cell in cells]
    try:
        columns = [int(column) for column, _ in pairs]
        values = [float(value) for _, value in pairs]
    except ValueError:
        raise BadRequestError(f"Line {number} of the libsvm body is not cells of column:value.") from None
    if columns and not 0 <= min(columns) <= max(columns) < _WIDE:
        raise BadRequestError(f"Line {number} of the libsvm body has a column that cannot be.")
    return Row(np.array(columns, dtype=np.int64), np.array(values, dtype=np.float64))

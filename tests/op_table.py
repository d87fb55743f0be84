"""The table of operations: for each primitive, functions that use it, operands to try, and what it means.

The one idea: a row is data, so every law of primitives (types, batches, derivatives, text, and that a back
end computes the reference's results) is written once and holds for all rows. A new primitive is complete
when it has its row. record.py says what a row is.
"""

from __future__ import annotations

import tests.op_rows.arrays
import tests.op_rows.elementwise
import tests.op_rows.flow
import tests.op_rows.linear
import tests.op_rows.transforms
import tests.op_rows.windows  # noqa: F401  entering their rows is all that these do
from tests.op_rows.record import TABLE, TOLERANCE, OpRecord
from tests.op_rows.structured import COLLECTIVES

__all__ = ["COLLECTIVES", "TABLE", "TOLERANCE", "OpRecord"]

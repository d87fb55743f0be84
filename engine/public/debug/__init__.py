"""`weft.debug`: look inside programs while they run.

`print` and `callback` show values of traced arrays; `nans` and `infs` find the operation that first makes a value which is no
number. docs/debugging.md shows them at work.
"""

from weft.debug.printing import print
from weft.engine.nans import Watch
from weft.engine.transforms.callbacks import callback

__all__ = ["callback", "infs", "nans", "print"]

nans = Watch("nans")
"""``weft.debug.nans(True)``: raise `FloatingPointError` at the first operation that makes a NaN out of operands that have none.

The error names the operation, the types and the line of the program, in compiled programs and their loops too. ``with
weft.debug.nans():`` looks for them in a part of a program. It holds for the thread that says it. Looking takes time: a program
whose results have a NaN is run again, operation by operation (without its effects; a `pure_callback` is called again).
"""

infs = Watch("infs")
"""`nans` for infinities."""

"""`weft.debug`: look inside programs while they run.

`print` and `callback` show values of traced arrays; `nans` and `infs` find the operation that first makes a value which is no
number. docs/debugging.md shows them at work.
"""

from weft.debug.printing import print
from weft.engine.transforms.callbacks import callback

__all__ = ["callback", "print"]

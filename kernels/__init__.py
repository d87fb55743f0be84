"""How a program becomes machine code: schedules, emitters, vector maths and hand-written kernels."""

import time

LOADED = time.time()
"""When this process loaded the package: what is edited later is not what runs here."""

"""How a program becomes machine code: schedules, emitters, vector maths and hand-written kernels."""

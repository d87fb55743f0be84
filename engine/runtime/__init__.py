"""The run-time: tapes of instructions, the interpreter that runs them, and their memory."""

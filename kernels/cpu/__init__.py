"""The CPU target: compiling LLVM IR to machine code and emitting kernels for it."""

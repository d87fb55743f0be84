"""The steps of fusion: which axes are the same, which values are stored, which of them share a kernel."""

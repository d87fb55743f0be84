"""The second, lower IR: loop nests over buffers, with symbolic extents."""

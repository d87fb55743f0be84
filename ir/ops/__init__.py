"""The primitives, one file a family. Importing this package declares them all."""

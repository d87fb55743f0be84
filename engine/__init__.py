"""What a person touches, and the run-time underneath it."""

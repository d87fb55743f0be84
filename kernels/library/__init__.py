"""Native libraries called by address."""

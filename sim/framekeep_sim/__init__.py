"""A mission on a desk: image datasets through the flight code."""

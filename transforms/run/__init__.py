"""A run: work in units, staged beside the data, journaled, published in one step, kept as a snapshot."""

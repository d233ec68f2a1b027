"""Proof: DuckDB recomputes from the old files what the new files must hold, and compares."""

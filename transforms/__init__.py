"""How the data changes: operations, mappings, plans, runs and proofs."""

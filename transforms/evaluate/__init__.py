"""The interpreters of expressions: Arrow batches, Python records, DuckDB SQL. A new operation needs none of its own."""

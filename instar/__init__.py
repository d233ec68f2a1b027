"""Instar: schema evolution for directories of Parquet, Avro and JSON files."""

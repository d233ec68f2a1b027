"""The data of the benchmark, made from public packages once and kept in a folder that is not in the repository."""

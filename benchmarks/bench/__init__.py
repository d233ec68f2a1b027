"""`make bench`: Instar beside what people would use instead, on the same data, for the same work; see `__main__.py`."""

"""The performance audit: the user's queries over the old and the new files, timed side by side."""

"""Two directories, or two files, held against each other: `instar verify OLD NEW`."""

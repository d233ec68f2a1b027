"""What the data is: schemas, formats, files, the registry, datasets. Imports nothing of the layers above."""

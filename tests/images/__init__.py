"""The images, where no engine runs: their Dockerfiles' own lines, carried out by hand."""

"""The decisions of an assessment, without I/O: what is stored goes in, commands come out."""

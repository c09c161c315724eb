"""A fuzzer of every reader of a file; `python -m tests.fuzz --help` tells how it is run."""

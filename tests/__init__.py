import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as the command line does, before torch is imported

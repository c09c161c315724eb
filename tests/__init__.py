import os

os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # as the command line does, before torch is imported

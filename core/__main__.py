"""`python -m core` is the command `trialbook`."""

from core.cli.main import main

if __name__ == "__main__":
    main()

"""`python3 -m tekana.embedded ...`: any Python gets as far as `prepare`, which goes on in the `.venv`."""

import sys

from tekana.embedded import bootstrap

if __name__ == "__main__":
    bootstrap.prepare()
    from tekana.embedded.cli import main

    sys.exit(main(sys.argv[1:]))

"""`python3 -m tekana.embedded ...`: any Python gets as far as `prepare`, which goes on in the `.venv`."""

import sys

from tekana.embedded import bootstrap

if __name__ == "__main__":
    try:
        bootstrap.prepare()
    except KeyboardInterrupt:
        sys.exit(130)
    from tekana.embedded.cli import main

    sys.exit(main(sys.argv[1:]))

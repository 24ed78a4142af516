"""``python -m avsc`` is ``avsc``."""

from avsc.cli import main

if __name__ == "__main__":
    main()

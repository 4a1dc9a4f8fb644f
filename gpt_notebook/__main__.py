"""`python -m gpt_notebook` is the `gpt-notebook` command."""

import sys

from gpt_notebook.cli import main

if __name__ == "__main__":
    sys.exit(main())

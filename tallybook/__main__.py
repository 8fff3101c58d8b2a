"""`python -m tallybook`: the same as the script."""

from tallybook.cli import main

main()

"""`python -m perfgate`."""

from perfgate.cli.main import console

console()

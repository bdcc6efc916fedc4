"""`python -m needed`."""

from needed.cli import main_and_exit

main_and_exit()

"""From source to a program, with the tool chains that are there; starts compilers, and reads what they made.

The tool chain does the work and says its own mistakes; this room chooses it, gives it the words that make a program
small, static and the same every time, and then reads the outcome instead of hoping.
"""

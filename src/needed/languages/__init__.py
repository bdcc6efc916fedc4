"""The text of a source file -> what it asks for. Pure: receives bytes, gives values, never runs or opens anything.

What it deliberately does not do: look for the commands it names (`rules` do, in a Root), or guess what a run would do.
"""

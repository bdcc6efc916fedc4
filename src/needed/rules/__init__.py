"""What ELF headers do not say: rules that look at a closure and say what else must ship, each with its reason.

A rule is one module with one function, `find(view, evidence)`, that yields findings; its row in `table` says what calls
it. A rule decides: it reads through the View only, starts nothing, writes nothing, and resolves nothing, for
which libraries a program or a plugin needs is the loader's to say. `gather` asks the rules, over and over, until
nothing new is found.
"""

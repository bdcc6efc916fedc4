"""The only room that starts programs: an image's own, in a sandbox that sees nothing of this machine.

`bundle` writes an image's tree to a private folder, `namespaces` start a command in it, `process` waits with limits,
and what came of it is an Outcome. Nothing here decides what belongs into an image, or changes one.
"""

"""The command ``functory``: people's way to a node.

Owns words, options, tables and exit codes; has no opinion about Lambda. Commands that concern functions speak to the
node over HTTP like any other AWS client; ``up`` starts the node in this process. Start-up is kept short: modules import
click and the standard library at most, everything heavier (botocore, settings, the node) inside the command that needs it.
"""

"""The commands, a module each.

Its ``add_command`` adds a parser, whose ``run`` is called with the options and the `plan.World` and
returns the exit code.
"""

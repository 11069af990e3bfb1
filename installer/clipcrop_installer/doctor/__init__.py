"""What is wrong with an installation, and what to do.

command       runs all checks, in the order in which they are shown
finding       what a check has found; what it looks at
environment   the environment, its versions, the engine, weights, room on the disk
editors       the plug-ins' files, and whether the editors load them
daemon        its answer, its files and log, who can read them
login         start at login
report        findings -> text or JSON; without anything that is the user's own

It touches nothing. Whatever needs a package is asked of the environment's own programs.
"""

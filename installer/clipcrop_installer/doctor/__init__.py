"""What is wrong with an installation, and what to do.

checks        all of them, in the order in which they are shown; runs them
finding       what a check has found; what it looks at
environment   the environment, its versions; an installation that was interrupted
device        PyTorch, and the driver below it
weights       those that are here, and their hashes
editors       the plug-ins' files, and whether the editors load them
editor_files  what GIMP and Krita write down about plug-ins: text -> facts
connection    the connection file: who can read it, and whether sockets can be beside it
daemon        its answer, its log
login         start at login
room          on the disk
report        findings -> text or JSON; without anything that is the user's own

It touches nothing. Whatever needs a package is asked of the environment's own programs.
"""

"""The programs that work before anything is installed; standard library only.

cli             ``python3 installer COMMAND`` and ``clipcrop-setup COMMAND``
install, uninstall, models, demo    a command each; install is upgrade too
doctor          the command; doctor_checks: what is wrong, and what to do
plan            steps that say what they would do
installation    carries a plan out, one installer at a time
manifest        what was made, written before and after every step
files           files that a step makes, and how each kind of entry is taken away
settings_line   one line of another program's settings
environment     a virtual environment; engine: which packages; pip_output: what pip says
programs        the programs of an environment, and links to them
daemon          its settings, its start, its end, a trial crop
editors         which editors there are; plugin_files: what is put into one
login           start at login; login_formats: units, entries, agents, registry values
machine         what decisions are made from, and where everything of ours is
disk, process   the edges: files; other programs
old_python      a sentence instead of a syntax error on a Python that is too old
errors          what can go wrong, one exit code each
"""

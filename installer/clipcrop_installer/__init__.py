"""The programs that work before anything is installed; standard library only.

cli            ``python3 installer COMMAND`` and ``clipcrop-setup COMMAND``
demo, doctor, install, models, uninstall     a command each; install is upgrade too
choices        what the user can choose
steps, login   the parts of an installation
plan, apply    steps that say what they would do; doing them
manifest       what was made, written before and after every step
undo           how an item is taken away
installation   the folder of all this: one installer at a time
files          files that a step makes; what is in their way
settings_line  one line of another program's settings
plugin_files   what is put into an editor
editors        which editors there are, and where their plug-ins go
places         where everything of ours is
engine         ONNX Runtime alone or PyTorch too, and which build of that
machine        what decisions are made from
disk, process  the edges: files; other programs
lock           two installers at once are one too many
environment    a virtual environment, made once and made again when it must be
programs       the programs and packages of one
pip_output     what pip says -> progress, and the sentence that explains a failure
old_python     a sentence instead of a syntax error on a Python that is too old
errors         what can go wrong, one exit code each
"""

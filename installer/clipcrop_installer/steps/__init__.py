"""The parts of an installation, in the order in which they are done.

environment   a private environment with ClipCrop in it; taking away older ones in the end
settings      where the plug-ins find the daemon, and how they start it: the switch to a new version
plug_in       one plug-in into one editor
daemon        stop that of an older version; start the new one
self_test     a crop through the daemon
unwanted      what earlier choices have left

Starting at login is in `clipcrop_installer.login`.
"""

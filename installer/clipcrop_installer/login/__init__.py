"""Starting the daemon at login: what each system wants, as text, and putting that in its place.

step            the installer's step, and how it is undone
items           the one way that fits a system, and how it is switched on and off
commands        what is started; refuses what no format can hold
systemd_unit    Linux with systemd: a user unit, hardened
xdg_autostart   Linux without: a desktop entry
launch_agent    macOS: a property list for launchd
run_key         Windows: a value of the registry

Only `step` acts; all else is text in, text out.
"""

"""The half of both plug-ins that knows no editor; a shell for each editor does the rest.

texts          gettext: what a user reads, in the user's language; catalogues in locale/
errors         what the plug-in itself refuses, each with its sentence
messages       THE table: any error -> the user's sentence; stages of work -> words
geometry       rectangles of the canvas: what a picture covers, where a crop lies, thumbnails
picture        pixels that a shell read, and where on the canvas they are
choices        what the user asks for: checked, remembered
history        the last prompts
memory         what is remembered from one run of an editor to the next
storage        small files of ours that may be missing or damaged
config         where the daemon is, and how it is started
loop           what a shell's main loop must offer; a plain one for batch mode and tests
launcher       starts the daemon, detached
event_loop_connection   a connection that the main loop keeps going
connector      finds the daemon, starts it if need be, connects
client           requests to the daemon: a queue, deadlines, cancel, pixels only once
session        one image's suggestions: ask, step through them, say how it stands
snapshot       what is left of a preview for the next process
preview        the current suggestion on the canvas, and the user's own selection

No thread, nothing that waits, no polling. Runs inside editors: Python 3.8 and newer, pure Python,
standard library, clipcrop_wire and msgpack only.
"""

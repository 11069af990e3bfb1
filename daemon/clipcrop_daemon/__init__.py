"""The long-running half of ClipCrop: it holds the model, editors ask it.

Two processes. The front answers at once and is small; the model process is started when it is
needed and ended when it is not, which gives back all of its memory, a GPU's too.

The front:

cli             options -> settings -> run; and the commands that talk to a running daemon
settings        defaults < file < environment < option
instance        one daemon a user: lock, connection file, what the dead left; on folders
logs            the rotating log file
machine         memory and files that the program takes
systemd         tells systemd that the daemon is ready
server          the loop over its sockets; it decides nothing
sockets         how the sockets are bound, and their limits
dispatcher      the decisions: what is answered, queued, cancelled, and when
sessions        which connections have proved the key; signatures
request_queue   requests that wait; clients take turns
model_process   the front's end of the model process

Both:

pipes           messages between the two, and the model process's options

The model process:

worker          one request at a time, from the pipe to the pipe
service         a request -> the model -> an answer
model_pool       which models are in memory, and where
image_cache     images already looked at
model_names     what models are called by clients and by the library
convert         the wire's values <-> the library's
"""

__version__ = "0.1.0"

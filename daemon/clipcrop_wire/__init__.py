"""What the daemon and its clients share: the bytes between them. PROTOCOL.md is normative.

errors       what can go wrong, and its code on the wire
rules        what a field may hold: checks, and words for them
messages     requests and replies as frozen dataclasses
protocol     a message <-> a msgpack header and one frame of pixels
sealing      proof of the key, authentication of every message, no message twice
zmtp         the smallest ZeroMQ peer (ZMTP 3.0, DEALER, NULL) on the standard library
endpoint     the connection file: where the daemon listens, and the key
connection   one authenticated connection that never waits: for programs with a main loop
client       calls that wait, with deadlines and a cancel from another thread

Runs inside editors: Python 3.8 and newer, pure Python, standard library and msgpack only.
"""

"""Published weights on this machine: had, checked, put in place by hand, taken away.

    published ── what the hub has, as known beforehand ─┐
    hub ──────── or as it says itself; fetches a file ──┼─> store ──> cli
    files ────── hashes, and the record beside weights ─┤
    conversion ─ a pickle -> safetensors ───────────────┘

`clipcrop.checkpoint` finds what is here and never goes to the network; this goes there only when
asked to. Nobody needs it: the lite tower comes with the package.
"""

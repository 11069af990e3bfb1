"""Weights: what is published, what is on this machine, and getting it there.

registry    the published models: names, aliases, commits, hashes
checkpoint  weights on this machine: found and checked, without the network
store       download, place, verify, remove; with hub (transfers) and files (hashes, records)
decoders    which decoder an encoder has
pretrained  loading through transformers, without code from a model's folder
cli         ``clipcrop models``

Only `store.download` uses the network.
"""

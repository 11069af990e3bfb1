"""From what was found to ranked crops.

candidates             frames round the union box of what was found, under constraints
widths                 how wide close, medium and wide crops of a subject are
composition            the composition score: learned quality of frames, in NumPy
composition_network    the same network in PyTorch, for training
ranking                candidates -> few, different crops, best first
"""

"""From what was found to ranked crops.

candidates             frames round the union box of what was found, under constraints
composition            the composition score: learned quality of frames, in NumPy
composition_network    the same network in PyTorch, for training
ranking                candidates -> few, different crops, best first
"""

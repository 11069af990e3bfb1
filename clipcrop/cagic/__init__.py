"""CAGIC: crops found by gradient descent through a captioner and an aesthetic network.

sampler      a photo and boxes -> pixels of crops, differentiable
space        numbers without bounds -> boxes that are allowed
losses       a captioner's distributions and the user's words -> caption loss
options      how to search
optimise     restarts, annealing, aggregation: a loss -> crops
base         the two interfaces: captioner, aesthetics
captioner    transformers' image-to-text models; vision prepares pixels for it and for CLIP
aesthetics   a CLIP with a published aesthetic head
stand_ins    what takes the place of both where weights are not here
weights      which of them, and where
cropper      all of it: `Cagic`, whose `crops` an evaluation can call

It needs no training, and takes seconds to minutes for a photo. The method is that of Horanyi et
al., Repurposing Existing Deep Networks for Caption and Aesthetic-Guided Image Cropping.
"""

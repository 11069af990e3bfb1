"""Training: the crop decoder, and how the weights in this package were made.

The decoder, ``clipcrop train``:

config          the paper's numbers, and ours where it gives none
views           what the network is shown of an example: augmentation, mosaic
samples         what the encoder says of views; token_store keeps it, feed makes batches of it
stream          which examples a step sees
matcher         which predicted crop is to become which rated one
criterion       how wrong the predictions are
learner         decoder and, if it is trained along, encoder as one module
trainer         the loop; run_folder: what it leaves and goes on from; processes; interruption
identity        under which circumstances a run may be gone on with
validation      how good it is while it is trained; curve draws it
checks          what is looked at before it starts

The shipped weights, as commands that can be run again: composition, lite.
"""

"""The paper's crop decoder.

network         the decoder (section 3.2)
conditioning    which tokens of an image and which texts it is given
checkpoint      its weights and configuration in one file
tensor_boxes    boxes as PyTorch's tensors
"""

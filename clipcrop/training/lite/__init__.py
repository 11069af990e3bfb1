"""Training of the lite tower by dense distillation (`python -m clipcrop.training.lite`).

photos     the pool of photos, which of them count how much, and the ones kept for looking
views      random views of them: crops, flips, colour, mosaics, mixed pairs
teacher    YOLOX-nano, run on a view: objectness, classes and a box for every cell
trunk      EfficientNet-Lite0's published weights, folded into our trunk
shards     views as the frozen trunk and the teacher see them, kept on disk
losses     what the heads are told about the teacher
train      the loop: shards in, checkpoints out, stopped and resumed at any step
export     a checkpoint -> `lite.safetensors`
concepts, words   the text side: names, and the table word -> concepts
"""

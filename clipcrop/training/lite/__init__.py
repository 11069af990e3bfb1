"""Training of the lite encoder by dense distillation (`python -m clipcrop.training.lite`).

photos     the pool of photos, which of them count how much, and the ones kept for looking
views      random views of them: crops, flips, colour, mosaics, mixed pairs
teacher    YOLOX-nano, run on a view: objectness, classes and a box for every cell
trunk      EfficientNet-Lite0's published weights, folded into our trunk
shards     views as the frozen trunk and the teacher see them, kept on disk
losses     what the heads are told about the teacher
train      the loop: shards in, checkpoints out, stopped and resumed at any step
export     checkpoints -> `lite.onnx`
concepts   the 1,236 concepts: names (also `extra_names.json`, `scene_names.json`,
           `people_names.json`), groups, parents
meanings   what a word means, by the names and by WordNet (wordnet reads its files)
scene_photos, scene_shards, scene_head, scene_train, scene_measure
           the same for scenery, rooms and faces, on features of the trained network
people, people_head
           men, women, boys, girls, children among the people that the trained network finds
queries    annotated boxes -> queries to measure on
words      the table word -> concepts; minilm guesses where nothing else knows a word
"""

"""Evaluation: how good crops are, how well encoders find things, how well scores agree with people.

tables          the ClipCrop paper's tables: sets, methods, figures
methods         what crops: baselines, encoder, cascade, the product, trained decoders; smart_crop:
                PyPI's
crops           the loop: methods side by side on sets of crops
crop_metrics    figures of crops, with their definitions; bootstrap: how sure their means are
crops_report    Markdown, JSON, pictures
ratings         the composition score on rated crops; framing: when a photo needs no crop
subjects        methods on annotated boxes, with a watch; journal: what they answered so far
grounding       finding things, on annotated boxes
cli             `clipcrop evaluate`
"""

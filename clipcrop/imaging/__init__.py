"""Photos in, crops and pictures of them out.

photo_inputs    names and folders on the command line -> photos
images          any file or Pillow image -> upright sRGB; deep_images: more than 8 bits a channel
limits          how large an image may be
crop_files      crops of the original file, with its depth, profile and metadata
metadata        the metadata of JPEG and PNG, EXIF and XMP, byte for byte; tiff: of TIFF
contact_sheet   a photo with its crops, to look at; path_picture: how CAGIC got there
output_files    files that are complete or not there
"""

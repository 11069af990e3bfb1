"""GIMP's half of the plug-in: declares, reads the canvas, shows, applies. Only it imports ``gi``.

procedures   what GIMP is told: menu, documentation, arguments, return values; calls `office`
arguments    the arguments of a procedure <-> `Choices`
office       the work behind each procedure, with and without a person who looks on
desks        the desk of each image; what a desk does is `clipcrop_plugin.desk`
canvas       an image as such a desk's canvas: reads any kind of layer
selection    the user's selection, kept and put back; steps of undo
apply        what becomes of a crop
memory       what is remembered from one run to the next
main_loop    GLib's loop for `clipcrop_plugin`
dialog       asks the user
panel        shows suggestions beside the image
thumbnails   draws the reduced picture with a crop on it
"""

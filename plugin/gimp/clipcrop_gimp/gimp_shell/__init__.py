"""GIMP's half of the plug-in: declares, reads the canvas, shows, applies. Only it imports ``gi``.

resident     the process that stays, and how the others find it
procedures   what GIMP is told: menu, documentation, arguments, return values; calls `application`
arguments    the arguments of a procedure <-> `Choices`
application  the work behind each procedure, interactive and not
previews     the preview of each image; what a preview does is `clipcrop_plugin.preview`
canvas       an image as such a preview's canvas
pixels       reads a layer of any kind, or all that is visible
selection    the user's selection, kept and put back; steps of undo
apply        what becomes of a crop
memory       where it is remembered what was asked
main_loop    GLib's loop for `clipcrop_plugin`
dialog       asks the user
panel        shows suggestions beside the image
thumbnails   draws the reduced picture with a crop on it
"""

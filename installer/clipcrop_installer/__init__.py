"""The programs that work before anything is installed; standard library only.

errors        what can go wrong
environment   a virtual environment in the checkout, made once and made again when it must be
demo          crop the sample photos by description
cli           ``python3 installer COMMAND``
"""

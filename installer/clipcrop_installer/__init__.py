"""The programs that work before anything is installed; standard library only.

cli           ``python3 installer COMMAND``
demo          crop the sample photos by description
environment   a virtual environment in the checkout, made once and made again when it must be
pip_output    what pip says -> progress, and the sentence that explains a failure
process       starting other programs: the edge
old_python    a sentence instead of a syntax error on a Python that is too old
errors        what can go wrong, one exit code each
"""

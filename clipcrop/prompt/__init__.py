"""From what a user types to the texts that an encoder looks for.

parser        a prompt -> `Prompt`: texts to find and to leave out, framing, counts
clauses       what belongs together, what is excluded
names         names of people and instructions, which no encoder can find
words         words that say how, not what
language      spaCy's English pipeline, loaded when first needed
"""

"""How the weights in this package were made, as commands that can be run again."""

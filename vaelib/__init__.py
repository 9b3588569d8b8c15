"""The shared package of the book. One noun a room:

    data -> model -> objective -> train -> evaluate -> figures

Import the rooms you need (`from vaelib import mixture`); nothing heavy is imported here.
"""

__version__ = "0.1.0"

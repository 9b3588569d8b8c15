"""The shared package of the book, one subject per module.

The modules import each other in one direction (tests/test_architecture.py has the table):

    data, drawn -> model -> objective -> train -> evaluate -> figures, views

Import the modules you need (`from vaelib import mixture`); this one imports none of them.
"""

__version__ = "0.1.0"

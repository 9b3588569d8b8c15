"""Procedural images whose truth is known exactly: no download, no person's anatomy or face.

faces()        portraits drawn from exact attributes; draw_faces() draws any table of them
phantoms()     brain slices with lesions of three kinds and their exact masks
"""

from vaelib.drawn.phantoms import Phantoms, phantoms
from vaelib.drawn.portraits import Portraits, draw_faces, faces

__all__ = ["Phantoms", "Portraits", "draw_faces", "faces", "phantoms"]

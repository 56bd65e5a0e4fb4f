"""An independent verifier of compiled programs: proofs from image and graph alone.

It shares no code with the compiler's lowering or quantisation: the image is read as the functional
machine reads it, and nodes are evaluated by the reference.
"""

from .verifier import Verdict, verify_program

__all__ = ["Verdict", "verify_program"]

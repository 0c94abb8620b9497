"""One file each: a provider's contract, which is pure, and the class that people use."""

from .fyatu import FyatuAuth, FyatuBusinessAuth

__all__ = ["FyatuAuth", "FyatuBusinessAuth"]

"""A method that needs torch, for tests of what happens without it."""

import torch  # noqa: F401
from fake_method import Fake as Deep

__all__ = ["Deep"]

"""DSH-GAN: image hashing with synthetic images."""

from crossbit.methods.adversarial.dshgan.method import DSHGAN

__all__ = ["DSHGAN"]

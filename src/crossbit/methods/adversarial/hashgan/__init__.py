"""HashGAN: attention-aware adversarial hashing."""

from crossbit.methods.adversarial.hashgan.method import HashGAN

__all__ = ["HashGAN"]

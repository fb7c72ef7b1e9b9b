"""Figures of other people's code on the same data, measured once for this project."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BITS", "CEILING", "CLASSICAL", "ORIGINAL_ROUND", "SEPH_TRAIN", "Row"]

BITS = (16, 32, 64, 128)

PER_VIEW = "single"
FUSED = "fused, from both views"
TRAIN_CODES = "learnt in training, from the labels"


@dataclass(frozen=True)
class Row:
    """Expected MAP of one method at 16, 32, 64 and 128 bits."""

    label: str
    coding: str
    image_to_text: tuple[float, ...]
    text_to_image: tuple[float, ...]

    def direction(self, name: str) -> tuple[float, ...]:
        """Return the figures of "image->text" or "text->image"."""
        return {"image->text": self.image_to_text, "text->image": self.text_to_image}[name]


# Authors' MATLAB code run under Octave, expected MAP of the full ranking: Wikipedia, raw features,
# 2,173 database items (= all training pairs, all labelled) and 693 queries.
CLASSICAL = (
    Row("CVH, repaired", PER_VIEW, (0.171, 0.152, 0.147, 0.146), (0.153, 0.131, 0.122, 0.119)),
    Row("SCM_seq", PER_VIEW, (0.234, 0.241, 0.241, 0.256), (0.226, 0.246, 0.247, 0.247)),
    Row("CMFH", PER_VIEW, (0.220, 0.233, 0.245, 0.253), (0.208, 0.228, 0.237, 0.247)),
    Row("CMFH", FUSED, (0.212, 0.224, 0.235, 0.241), (0.488, 0.519, 0.534, 0.540)),
    Row("SePH_km", PER_VIEW, (0.267, 0.278, 0.290, 0.295), (0.398, 0.442, 0.456, 0.466)),
    Row("SePH_km", FUSED, (0.284, 0.297, 0.311, 0.317), (0.631, 0.655, 0.668, 0.676)),
    Row("SePH_km", TRAIN_CODES, (0.345, 0.359, 0.371, 0.378), (0.730, 0.741, 0.751, 0.757)),
)
SEPH_TRAIN = CLASSICAL[-1]

# The best that one classifier per view reaches on these features (RBF-SVM, database coded by its
# true labels): what there is to be learnt.
CEILING = {"image->text": 0.407, "text->image": 0.786}

# Seconds of one round (two generator epochs, sampling, one discriminator epoch, MAP both ways) of
# the released SCH-GAN code, ported unchanged to TF 2.21, by hidden width; extrapolated from slices
# of each stage, on two shared cores.
ORIGINAL_ROUND = {4096: 3010.0, 8192: 5130.0}

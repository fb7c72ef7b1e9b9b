"""The two games of DSH-GAN: a generator of pictures against the streams of one network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossbit.methods.adversarial.dshgan.data import Pictures, Rules
from crossbit.methods.adversarial.dshgan.discriminator import (
    DiscriminatorOutput,
    MultiHeadDiscriminator,
)
from crossbit.methods.adversarial.dshgan.generator import ImageGenerator, ema_update
from crossbit.networks.losses import all_triplets, mean
from crossbit.networks.pathway import squared_distance
from crossbit.training.task import Task

__all__ = ["SynthesisGame", "TripletGame"]


class Players(Task):
    """What both games share: the networks, the losses of the streams, the generator's side."""

    def __init__(
        self,
        pictures: Pictures,
        streams: MultiHeadDiscriminator,
        network: nn.Module,
        synthesiser: ImageGenerator | None,
        average: ImageGenerator | None,
        optimizers: dict[str, torch.optim.Optimizer],
        rng: torch.Generator,
        rules: Rules,
    ) -> None:
        self.pictures, self.streams, self.rules, self.rng = pictures, streams, rules, rng
        self.networks = {"discriminator": network}
        self.synthesiser, self.average = synthesiser, average
        if synthesiser is not None and average is not None:
            self.networks |= {"synthesiser": synthesiser, "average": average}
        self.optimizers, self.class_probabilities = optimizers, pictures.labels
        self.single = pictures.single
        self.taken = 0  # steps of this epoch

    def real(self, judged: DiscriminatorOutput, labels: Tensor) -> Tensor:
        """Return the adversary's logits, of pictures of these labels if it is to know them."""
        return self.streams.real(judged.shared, labels if self.rules.conditional else None)

    def class_loss(self, classes: Tensor, labels: Tensor) -> Tensor:
        """Return l_c of each picture, (b,).

        Classes that exclude one another: -sum_j 1[y = j] log softmax_j. Several at a time:
        -sum_j (C_j log P_j + (1 - C_j) log(1 - P_j)), P = sigmoid.
        """
        if self.single:
            return F.cross_entropy(classes, labels, reduction="none")
        each = F.binary_cross_entropy_with_logits(classes, labels, reduction="none")
        return each.sum(1)

    def begin_epoch(self, epoch: int) -> int:
        """Return the steps of an epoch, always as many."""
        self.taken = 0
        return self.rules.steps

    def descend(self, player: str, losses: dict[str, Tensor]) -> dict[str, float]:
        """Take a step of one player down the sum of its losses; return them as numbers."""
        optimizer = self.optimizers[player]
        own = [weight for group in optimizer.param_groups for weight in group["params"]]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward(inputs=own)
        optimizer.step()
        if player == "synthesiser" and self.synthesiser is not None and self.average is not None:
            ema_update(self.average, self.synthesiser, 1 - self.rules.average)
        return {f"{player}/{name}": value.item() for name, value in losses.items()}


class SynthesisGame(Players):
    """Stage 1: labelled and unlabelled pictures; the hash stream takes no part."""

    def step(self) -> dict[str, float]:
        """Take a step of the network, then one of the generator."""
        smooth = bool(self.rules.smoothing) and self.taken % self.rules.smooth_every == 0
        self.taken += 1
        return self.network_step(smooth) | self.generator_step()

    def network_step(self, smooth: bool) -> dict[str, float]:
        """Tell real pictures from synthetic ones, and classes from each other."""
        rules, pictures = self.rules, self.pictures
        rows = torch.cat(
            [
                pictures.draw_labelled(rules.batch, self.rng),
                pictures.draw(rules.batch, self.rng),
            ]
        )
        wanted = self.wanted()
        with torch.no_grad():
            made = self.drawn(wanted)
        shown = torch.cat([pictures.show(rows), made])
        judged, labels = self.judge(shown), torch.cat([pictures.labels[rows], wanted])
        # An unlabelled picture takes part in l_a alone, under the classes it is believed to have.
        unknown = labels.sum(1) == 0
        terms = self.class_loss(judged.classes, labels)
        counts = (~unknown).float()
        counts[len(rows) :] = rules.first_trust
        believed = torch.where(unknown[:, None], self.believed(judged), labels)
        real, synthetic = self.real(judged, believed).split([len(rows), len(made)])
        losses = {
            # l_a: -log P(real | x) of real ones, -log P(synthetic | x) of the others.
            "adversary": (F.softplus(-real).mean() + F.softplus(synthetic).mean()) / 2,
            "classes": (counts * terms).sum() / counts.sum(),
        }
        if smooth:
            some = slice(len(rows) - rules.batch, len(rows))
            losses["smoothing"] = self.r1_penalty(shown[some], believed[some])
        return self.descend("discriminator", losses)

    def generator_step(self) -> dict[str, float]:
        """Draw pictures that pass for real, and for the classes that they were asked for."""
        wanted = self.wanted()
        judged = self.judge(self.drawn(wanted))
        return self.descend(
            "synthesiser",
            {
                # In place of log P(synthetic | x), whose gradient vanishes where the network is
                # sure, -log P(real | x): the same fixed point (Goodfellow et al., NIPS 2014).
                "adversary": F.softplus(-self.real(judged, wanted)).mean(),
                "classes": self.rules.classification_weight
                * self.class_loss(judged.classes, wanted).mean(),
            },
        )

    def r1_penalty(self, shown: Tensor, labels: Tensor) -> Tensor:
        """Return the mean square slope of the adversary at real pictures, weighed.

        R1 of Mescheder et al. (ICML 2018): without it the adversary is soon sure of every picture,
        and a generator that learns from it draws one picture a class. Taken in some of the steps,
        as often as much stronger there (Karras et al., CVPR 2020).
        """
        shown = shown.detach().requires_grad_()
        logits = self.real(self.judge(shown), labels)
        (slope,) = torch.autograd.grad(logits.sum(), shown, create_graph=True)
        weight = self.rules.smoothing * self.rules.smooth_every / 2
        return weight * slope.square().sum(1).mean()

    def judge(self, shown: Tensor) -> DiscriminatorOutput:
        """Return what the network sees in pictures, augmented as they come before it."""
        with self.precision():
            judged = self.streams.judge(self.pictures.augment(shown))
        return DiscriminatorOutput(*(part.to(shown.dtype) for part in judged))

    def drawn(self, labels: Tensor) -> Tensor:
        """Return a picture of each set of labels."""
        assert self.synthesiser is not None
        with self.precision():
            return self.synthesiser.draw(labels, self.rng).to(labels.dtype)

    def precision(self) -> torch.autocast:
        """Return the context of passes through the networks; weights and losses are float32."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.rules.bfloat16)

    def believed(self, judged: DiscriminatorOutput) -> Tensor:
        """Return the probabilities of the classes, (b, c), as the class stream has them."""
        classes = judged.classes.detach()
        return torch.softmax(classes, 1) if self.single else torch.sigmoid(classes)

    def wanted(self) -> Tensor:
        """Return labels to draw pictures of: as often as among the labelled rows."""
        return self.pictures.labels[self.pictures.draw_labelled(self.rules.batch, self.rng)]


class TripletGame(Players):
    """Stage 2: triplets of a real labelled picture, one that shares a label, one that shares none.

    A share of the partners is synthetic. Without any there is no adversary: the network learns
    the same losses from real pictures alone.
    """

    def step(self) -> dict[str, float]:
        """Take a step of the network, and now and then one of the generator."""
        every = self.rules.generator_every if self.synthesiser is not None else 0
        self.taken += 1
        figures = self.network_step()
        if every and self.taken % every == 0:
            figures |= self.generator_step()
        return figures

    def network_step(self) -> dict[str, float]:
        """Lower L_CNN = sum of l_tri + l_a + l_c over the triplets of a batch.

        Without l_a where the generator learns no more: nobody would play against the adversary,
        and what tells synthetic from real is nothing that both should be hashed by.
        """
        rules = self.rules
        rows = self.pictures.draw_labelled(rules.labelled_batch, self.rng)
        with torch.no_grad():
            shown, labels, made = self.partners(rows)
        judged = self.streams.judge(torch.cat([self.pictures.show(rows), shown]))
        labels = torch.cat([self.pictures.labels[rows], labels])
        made = torch.cat([torch.zeros(len(rows), dtype=torch.bool), made])
        counts = torch.where(made, rules.trust, 1.0)
        losses = {
            "triplet": self.triplet_loss(torch.sigmoid(judged.bits), labels, len(rows)),
            "classes": (counts * self.class_loss(judged.classes, labels)).sum() / counts.sum(),
        }
        if rules.generator_every:
            # l_a: the mean over the triplet, -log P(real | x) or -log P(synthetic | x).
            logits = self.real(judged, labels)
            losses["adversary"] = F.softplus(torch.where(made, logits, -logits)).mean()
        return self.descend("discriminator", losses)

    def generator_step(self) -> dict[str, float]:
        """Lower L_G = sum of l_tri - l_a + l_c, -l_a in its form that does not saturate."""
        rows = self.pictures.draw_labelled(self.rules.labelled_batch, self.rng)
        shown, labels, made = self.partners(rows)
        judged = self.streams.judge(torch.cat([self.pictures.show(rows), shown]))
        whose = torch.cat([torch.zeros(len(rows), dtype=torch.bool), made])
        every = torch.cat([self.pictures.labels[rows], labels])
        return self.descend(
            "synthesiser",
            {
                "triplet": self.triplet_loss(torch.sigmoid(judged.bits), every, len(rows)),
                "adversary": mean(F.softplus(-self.real(judged, every)[whose])),
                "classes": self.rules.classification_weight
                * mean(self.class_loss(judged.classes, every)[whose]),
            },
        )

    def partners(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the positives and then the negatives of some rows, as many each.

        Pixels, labels, and which are synthetic: x+ = G(z, y) with the row's labels y, and
        x- = G(z', y') with those of a labelled row that shares none of them.
        """
        labels = self.pictures.labels[rows]
        partners = torch.cat(self.pictures.draw_partners(labels, self.rng))
        shown, found = self.pictures.show(partners), self.pictures.labels[partners]
        if self.synthesiser is None or self.average is None:
            return shown, found, torch.zeros(len(found), dtype=torch.bool)
        made = torch.rand(len(found), generator=self.rng) < self.rules.synthetic
        found[: len(rows)] = torch.where(made[: len(rows), None], labels, found[: len(rows)])
        # A generator that learns no more is at its best as the average of what it was.
        source = self.synthesiser if self.rules.generator_every else self.average
        drawn = self.pictures.vary(source.draw(found[made], self.rng))
        return shown.index_put((torch.nonzero(made)[:, 0],), drawn), found, made

    def triplet_loss(self, codes: Tensor, labels: Tensor, queries: int) -> Tensor:
        """Return the mean l_tri = max(0, m - ||h - h-||^2 + ||h - h+||^2), relaxed Hamming."""
        margin, h, partners = self.rules.margin, codes[:queries], codes[queries:]
        own, others = labels[:queries], labels[queries:]
        if self.rules.all_triplets:
            return all_triplets(squared_distance(h, partners), own @ others.T > 0, margin)
        near, far = ((h - part).square().sum(1) for part in partners.chunk(2))
        good, bad = ((own * part).sum(1) > 0 for part in others.chunk(2))
        return mean(F.relu(margin - far + near)[good & ~bad])

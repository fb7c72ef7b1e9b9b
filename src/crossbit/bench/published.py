"""What the SCH-GAN paper published, and the order in which its tables name the methods."""

from __future__ import annotations

from dataclasses import dataclass

from crossbit import methods
from crossbit.errors import CrossbitError

__all__ = [
    "BITS",
    "BLOCKS",
    "DATASETS",
    "FEATURES",
    "SOURCE",
    "TABLES",
    "UNCOMPRESSED",
    "Block",
    "family_of",
    "known_methods",
    "published_map",
    "title_of",
]

SOURCE = (
    "J. Zhang, Y. Peng, M. Yuan: SCH-GAN: Semi-supervised Cross-modal Hashing by Generative "
    "Adversarial Network, arXiv 1802.02488"
)
FEATURES = "VGG19 fc7 pictures (4,096) and bag-of-words texts, on splits of its own"
BITS = (16, 32, 64, 128)


@dataclass(frozen=True)
class Block:
    """Methods that are compared with each other, in the order of the tables."""

    title: str
    methods: tuple[str, ...]


BLOCKS = (
    Block("Unsupervised", ("cvh", "pdh", "cmfh", "ccq")),
    Block("Supervised", ("cmssh", "scm_orth", "scm_seq", "seph")),
    Block("Deep", ("dcmh", "dis", "displus", "schgan")),  # Dis: in Table IV
    Block("Deep, without labels", ("ucch", "ugach")),
    Block("What users pick today", ("sign", "lsh", "itq", "itq_cca", "cca")),
)
# Kept as real numbers: a reference, which no code competes with.
UNCOMPRESSED = frozenset({"cca"})
DATASETS = {"wikipedia": "Wikipedia", "nuswide": "NUS-WIDE", "mirflickr": "MIRFlickr"}
TABLES = {"wikipedia": "I", "nuswide": "II", "mirflickr": "III"}

# MAP of the full ranking at 16, 32, 64 and 128 bits, image -> text | text -> image: Tables I to
# III of the paper, and Table IV for Dis. Which of its anchor variants SePH ran is not stated.
_MAP = {
    "wikipedia": {
        "cvh": ".193 .161 .144 .134 | .297 .225 .187 .167",
        "pdh": ".483 .483 .494 .497 | .842 .842 .838 .851",
        "cmfh": ".439 .496 .473 .461 | .484 .548 .573 .568",
        "ccq": ".463 .471 .470 .456 | .744 .788 .785 .741",
        "cmssh": ".160 .159 .157 .156 | .206 .208 .206 .205",
        "scm_orth": ".229 .192 .171 .161 | .238 .171 .145 .131",
        "scm_seq": ".396 .459 .462 .442 | .442 .557 .538 .510",
        "seph": ".515 .518 .533 .538 | .748 .781 .792 .805",
        "dcmh": ".475 .508 .507 .503 | .819 .828 .788 .720",
        "dis": ".508 .494 .510 .510 | .859 .847 .873 .858",
        "schgan": ".525 .530 .551 .546 | .860 .876 .889 .888",
    },
    "nuswide": {
        "cvh": ".458 .432 .410 .392 | .474 .445 .419 .398",
        "pdh": ".475 .484 .480 .490 | .489 .512 .507 .517",
        "cmfh": ".517 .550 .547 .520 | .439 .416 .377 .349",
        "ccq": ".504 .505 .506 .505 | .499 .496 .492 .488",
        "cmssh": ".512 .470 .479 .466 | .519 .498 .456 .488",
        "scm_orth": ".389 .376 .368 .360 | .388 .372 .360 .353",
        "scm_seq": ".517 .514 .518 .518 | .518 .510 .517 .518",
        "seph": ".701 .712 .719 .726 | .642 .653 .657 .662",
        "dcmh": ".631 .653 .653 .671 | .702 .695 .694 .693",
        "dis": ".611 .659 .673 .646 | .654 .691 .705 .694",
        "schgan": ".713 .726 .734 .748 | .741 .743 .771 .779",
    },
    "mirflickr": {
        "cvh": ".602 .587 .578 .572 | .607 .591 .581 .574",
        "pdh": ".623 .624 .621 .626 | .627 .628 .628 .629",
        "cmfh": ".659 .660 .663 .653 | .611 .606 .575 .563",
        "ccq": ".637 .639 .639 .638 | .628 .628 .622 .618",
        "cmssh": ".611 .602 .599 .591 | .612 .604 .592 .585",
        "scm_orth": ".585 .576 .570 .566 | .585 .584 .574 .568",
        "scm_seq": ".636 .640 .641 .643 | .661 .664 .668 .670",
        "seph": ".704 .711 .716 .711 | .699 .705 .711 .710",
        "dcmh": ".721 .729 .735 .731 | .764 .771 .774 .760",
        "dis": ".627 .713 .719 .717 | .667 .743 .753 .751",
        "schgan": ".739 .747 .755 .769 | .775 .790 .798 .799",
    },
}


def published_map(dataset: str, method: str, direction: str, bits: int) -> float | None:
    """Return the paper's MAP of "image->text" or "text->image"; None if it has none."""
    text = _MAP.get(dataset, {}).get(method)
    if text is None or bits not in BITS or direction not in ("image->text", "text->image"):
        return None
    half = text.split(" | ")[direction == "text->image"]
    return float(half.split()[BITS.index(bits)])


def known_methods() -> set[str]:
    """Return the methods that the paper's tables name or ours stand beside."""
    return {method for block in BLOCKS for method in block.methods}


def title_of(method: str) -> str:
    """Return what tables call a method: its class's title, or its name where it is not there."""
    try:
        return methods.get(method).title
    except CrossbitError:
        return method


def family_of(method: str) -> str:
    """Return the title of the block that a method stands in: its class's family."""
    for block in BLOCKS:
        if method in block.methods:
            return block.title
    try:
        return methods.get(method).family
    except CrossbitError:
        return "Other methods"

"""Pixels: the same values from every kind of picture, and clear refusals."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from crossbit.errors import ConfigError, DataError
from crossbit.features import from_json
from crossbit.features.pixels import Pixels

INK = Pixels(16, colour=False, ink=True)


def picture(seed: int = 0, shape=(8, 8, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def cross(size: int = 16) -> np.ndarray:
    """A black cross on white."""
    drawing = np.full((size, size), 255, dtype=np.uint8)
    drawing[size // 2, 3:-3] = drawing[3:-3, size // 2] = 0
    return drawing


def test_values_are_those_of_the_picture_row_by_row():
    array = picture()
    np.testing.assert_allclose(Pixels(8)([array])[0], array.ravel() / 255, atol=1e-6)


def test_shrinking_averages():
    array = picture(shape=(8, 8))
    expected = array.reshape(4, 2, 4, 2).mean(axis=(1, 3)) / 255
    found = Pixels(4, colour=False)([array])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected.ravel(), atol=1 / 255 + 1e-6)


def test_paths_bytes_images_and_arrays_agree(tmp_path):
    array = picture()
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    items = [str(path), path, path.read_bytes(), Image.open(path), array, array / 255.0]
    values = Pixels(8)(items)
    for row in values[1:]:
        np.testing.assert_array_equal(row, values[0])
    np.testing.assert_array_equal(Pixels(8)(path), values[:1])


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16", "L", "RGB"])
def test_every_mode_of_a_white_picture_is_white(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((6, 6), 65535, dtype=np.uint16))
    else:
        image = Image.new("RGB", (6, 6), "white").convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    np.testing.assert_allclose(Pixels(4)([path]), 1.0, atol=0.01)


def test_transparent_is_white():
    clear = np.zeros((4, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(Pixels(4)([clear]), np.ones((1, 48)))
    np.testing.assert_array_equal(INK([clear]), np.zeros((1, 256)))


def test_ink_is_the_same_dark_on_light_and_light_on_dark():
    dark = cross()
    grey_on_grey = np.where(dark == 0, 60, 120).astype(np.uint8)
    expected = (dark == 0).ravel().astype(np.float32)
    for drawing in dark, 255 - dark, grey_on_grey:
        np.testing.assert_array_equal(INK([drawing])[0], expected)


def test_ink_pads_to_a_square_and_does_not_squeeze():
    wide = np.full((16, 32), 255, dtype=np.uint8)
    wide[4:12, 12:20] = 0  # a square stays a square
    ink = INK([wide])[0].reshape(16, 16)
    expected = np.zeros((16, 16))
    expected[6:10, 6:10] = 1
    np.testing.assert_array_equal(ink, expected)


def test_an_empty_picture_has_no_ink():
    noise = 128 + picture(shape=(16, 16)) % 3
    assert not INK([noise.astype(np.uint8)]).any()


def test_a_turned_photograph_is_set_upright(tmp_path):
    array = np.zeros((4, 8, 3), dtype=np.uint8)
    array[:, :4] = 255
    image = Image.fromarray(array)
    exif = image.getexif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "a.png", exif=exif)
    upright = Pixels(2, colour=False)([tmp_path / "a.png"])
    np.testing.assert_array_equal(upright, [[1, 1, 0, 0]])


def test_json_gives_the_same_encoder():
    for encoder in INK, Pixels(9):
        assert from_json(encoder.to_json()).to_json() == encoder.to_json()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0" * 64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8001, 10_000, 60_000])
def test_an_absurdly_large_picture_is_refused_before_it_is_decoded(tmp_path, side, recwarn):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(DataError, match=r"bomb\.png.* is larger than 64,000,000 pixels"):
        Pixels()([path])
    assert not recwarn.list


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (b"no picture", "cannot be read"),
        (png_header(100, 100), "cannot be read"),
        ("missing.png", "there is no picture missing.png"),
        (np.zeros((2, 2, 5), np.uint8), r"\(h, w\)"),
        (np.zeros((0, 2), np.uint8), r"\(h, w\)"),
        (np.full((2, 2), 7.0), "divide by 255"),
        (np.full((2, 2), np.nan), "divide by 255"),
        (np.zeros((2, 2), np.int64), "uint8"),
        (3, "got int"),
    ],
)
def test_what_is_no_picture_is_refused(item, message):
    with pytest.raises(DataError, match=message):
        Pixels()([item])


@pytest.mark.parametrize("options", [{"size": 0}, {"size": "32"}, {"size": True}, {"ink": True}])
def test_bad_options_are_refused(options):
    with pytest.raises(ConfigError):
        Pixels(**options)

"""TIFF, 16-bit PNG and raw files: read as what they are, cut at their own depth."""

from __future__ import annotations

import io
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import pyvips
from PIL import Image

from clipcrop.errors import InvalidImage
from clipcrop.imaging.crop_files import stored_box, write_crops
from clipcrop.imaging.images import load_image, turn_upright

BOX_PX = (5, 4, 25, 16)


def values(bands: int, dtype: str) -> npt.NDArray[Any]:
    """[48, 64, bands]: the first band rises along the rows, the others along the columns."""
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    stack = np.stack([columns if band == 0 else rows * band for band in range(bands)], axis=-1)
    if dtype.startswith("float"):
        return (stack / 255.0).astype(dtype)
    return (stack * (np.iinfo(dtype).max // 255)).astype(dtype)


def vips_of(array: npt.NDArray[Any], interpretation: str) -> Any:
    return pyvips.Image.new_from_array(array).copy(interpretation=interpretation)


def crop_values(path: Path) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = pyvips.Image.new_from_file(str(path)).numpy()
    return found


def cut(path: Path) -> tuple[Path, list[str]]:
    said: list[str] = []
    (written,) = write_crops(path, [BOX_PX], [path.with_name("crop")], tell=said.append)
    return written, said


@pytest.mark.parametrize(
    ("bands", "dtype", "interpretation"),
    [
        (1, "uint16", "grey16"),
        (2, "uint16", "grey16"),
        (3, "uint16", "rgb16"),
        (4, "uint16", "rgb16"),
        (3, "uint8", "srgb"),
        (5, "uint8", "srgb"),
        (5, "uint8", "cmyk"),
        (1, "float32", "b-w"),
        (3, "float32", "scrgb"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"tile": True, "compression": "lzw"}, {"bigtiff": True}])
def test_a_tiff_keeps_its_values(
    tmp_path: Path, bands: int, dtype: str, interpretation: str, options: dict[str, object]
):
    path = tmp_path / "a.tif"
    array = values(bands, dtype)
    vips_of(array, interpretation).tiffsave(str(path), **options)

    written, said = cut(path)

    left, top, right, bottom = BOX_PX
    found = crop_values(written)
    assert found.dtype == array.dtype
    assert np.array_equal(found.reshape(12, 20, bands), array[top:bottom, left:right])
    assert said == []
    assert load_image(path).rgb.size == (64, 48)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_a_16_bit_png_keeps_its_values(tmp_path: Path, bands: int):
    path = tmp_path / "a.png"
    array = values(bands, "uint16")
    vips_of(array, "grey16" if bands < 3 else "rgb16").pngsave(str(path))

    written, said = cut(path)

    left, top, right, bottom = BOX_PX
    found = crop_values(written)
    assert found.dtype == np.uint16
    assert np.array_equal(found.reshape(12, 20, bands), array[top:bottom, left:right])
    assert said == []


def planar_tiff(array: npt.NDArray[np.uint16]) -> bytes:
    """An uncompressed TIFF whose channels are stored one after the other."""
    height, width, bands = array.shape
    planes = [array[..., band].astype("<u2").tobytes() for band in range(bands)]
    entries = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [16] * bands),
        (259, 3, [1]),
        (262, 3, [2]),
        (273, 4, [8 + sum(map(len, planes[:band])) for band in range(bands)]),
        (277, 3, [bands]),
        (278, 3, [height]),
        (279, 4, [len(plane) for plane in planes]),
        (284, 3, [2]),
    ]
    return tiff_of(b"".join(planes), entries)


def tiff_of(pixels: bytes, entries: list[tuple[int, int, list[int]]]) -> bytes:
    """A little-endian TIFF: header, pixels at 8, values, directory."""
    content = b"II*\0" + bytes(4) + pixels
    directory = struct.pack("<H", len(entries))
    for tag, kind, numbers in entries:
        letter = {1: "B", 3: "H", 4: "I"}[kind]
        raw = struct.pack(f"<{len(numbers)}{letter}", *numbers)
        if len(raw) > 4:
            content += bytes(len(content) % 2)
            raw, content = struct.pack("<I", len(content)), content + raw
        directory += struct.pack("<HHI", tag, kind, len(numbers)) + raw.ljust(4, b"\0")
    content += bytes(len(content) % 2)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + directory + bytes(4)


def grey_tiff(
    array: npt.NDArray[Any], photometric: int, *more: tuple[int, int, list[int]]
) -> bytes:
    height, width = array.shape
    entries = [
        (256, 3, [width]),
        (257, 3, [height]),
        (258, 3, [array.dtype.itemsize * 8]),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [8]),
        (277, 3, [1]),
        (278, 3, [height]),
        (279, 4, [array.nbytes]),
        *more,
    ]
    return tiff_of(array.tobytes(), sorted(entries))


def test_a_planar_tiff_is_no_noise(tmp_path: Path):
    path = tmp_path / "a.tif"
    array = values(3, "uint16")
    path.write_bytes(planar_tiff(array))

    written, _ = cut(path)

    left, top, right, bottom = BOX_PX
    assert np.array_equal(crop_values(written), array[top:bottom, left:right])
    seen = np.asarray(load_image(path).rgb, int)
    assert np.abs(seen - array // 257).max() <= 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_white_as_zero_is_not_a_negative(tmp_path: Path, dtype: str):
    path = tmp_path / "a.tif"
    tones = values(1, dtype)[..., 0]
    path.write_bytes(grey_tiff(np.iinfo(dtype).max - tones, 0))

    written, _ = cut(path)

    left, top, right, bottom = BOX_PX
    assert np.array_equal(crop_values(written).reshape(12, 20), tones[top:bottom, left:right])
    seen = np.asarray(load_image(path).rgb, int)[..., 0]
    assert np.abs(seen - tones // (np.iinfo(dtype).max // 255)).max() <= 1


def test_the_largest_page_is_the_photo(tmp_path: Path):
    path = tmp_path / "a.tif"
    small, large = Image.new("RGB", (30, 20), (9, 9, 9)), Image.new("RGB", (64, 48), (200, 9, 9))
    small.save(path, save_all=True, append_images=[large])

    written, said = cut(path)

    loaded = load_image(path)
    assert (loaded.width_px, loaded.height_px) == (64, 48)
    assert crop_values(written)[0, 0].tolist() == [200, 9, 9]
    assert said == []


def test_further_pages_are_reported(tmp_path: Path):
    path = tmp_path / "a.tif"
    page = Image.new("RGB", (64, 48))
    page.save(path, save_all=True, append_images=[page])

    assert "further pages" in cut(path)[1][0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_box_of_an_upright_image_is_the_same_pixels_as_stored(orientation: int):
    stored = Image.fromarray(
        values(1, "uint8")[..., 0] + 3 * np.arange(48, dtype=np.uint8)[:, None]
    )
    upright = turn_upright(stored, orientation)

    box_px = stored_box(BOX_PX, stored.size, orientation)

    expected = np.asarray(upright.crop(BOX_PX))
    assert np.array_equal(np.asarray(turn_upright(stored.crop(box_px), orientation)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_crops_are_upright(tmp_path: Path, orientation: int):
    path = tmp_path / "a.tif"
    stored = values(1, "uint16")[..., 0] + np.arange(48, dtype=np.uint16)[:, None]
    path.write_bytes(grey_tiff(stored, 1, (274, 3, [orientation])))

    written, _ = cut(path)

    eight = Image.fromarray((stored // 257).astype(np.uint8))
    expected = np.asarray(turn_upright(eight, orientation).crop(BOX_PX))
    assert np.array_equal(crop_values(written).reshape(12, 20) // 257, expected)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.dng", grey_tiff(values(1, "uint8")[..., 0], 1), id="by its name"),
        pytest.param(
            "a.tif", grey_tiff(values(1, "uint8")[..., 0], 1, (50706, 4, [1])), id="DNG named tif"
        ),
        pytest.param("a.tif", grey_tiff(values(1, "uint8")[..., 0], 32803), id="a sensor's pixels"),
        pytest.param("a.jpg", b"FUJIFILMCCD-RAW 0201" + bytes(80), id="RAF"),
        pytest.param("a.jpg", b"\0\0\0\x18ftypcrx " + bytes(80), id="CR3"),
        pytest.param("a.jpg", b"II*\0\x10\0\0\0CR\2\0" + bytes(80), id="CR2"),
        pytest.param("a.jpg", b"IIRO" + bytes(80), id="ORF"),
        pytest.param("a.jpg", b"IIU\0" + bytes(80), id="RW2"),
    ],
)
def test_a_raw_photo_is_called_one_and_its_preview_is_not_taken(
    tmp_path: Path, name: str, content: bytes
):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(InvalidImage, match=r"a raw photo.*export it"):
        load_image(path)


def test_a_raw_photo_is_developed_where_that_is_installed(tmp_path: Path):
    pytest.importorskip("rawpy")
    path = tmp_path / "a.dng"
    sensor = np.full((192, 256), 20_000, np.uint16)
    path.write_bytes(
        grey_tiff(
            sensor,
            32803,
            (254, 4, [0]),
            (33421, 3, [2, 2]),
            (33422, 1, [0, 1, 1, 2]),
            (50706, 1, [1, 4, 0, 0]),
            (50717, 4, [65535]),
        )
    )

    written, said = cut(path)

    loaded = load_image(path)
    assert (loaded.width_px, loaded.height_px) == (256, 192)
    assert crop_values(written).dtype == np.uint16
    assert written.suffix == ".tif"
    assert said == []


def test_a_tiff_that_lacks_a_little_is_opened_with_a_note_and_one_that_lacks_much_is_not(
    tmp_path: Path,
):
    path = tmp_path / "a.tif"
    array = values(1, "uint16")[..., 0]
    moved = bytearray(grey_tiff(array, 1))
    entry = moved.index(struct.pack("<HHII", 273, 4, 1, 8))
    moved[entry + 8 : entry + 12] = struct.pack("<I", len(moved))
    moved += array.tobytes()  # at the end of the file, as many programs write them

    path.write_bytes(moved[:-100])
    assert load_image(path).notes
    path.write_bytes(moved[:-3000])
    with pytest.raises(InvalidImage, match="%"):
        load_image(path)


def deep_png(path: Path, cut_rows: int, **options: object) -> npt.NDArray[Any]:
    """200 rows of noise in 16 bits, in a file without the data of about so many at its end."""
    array = np.random.default_rng(1).integers(0, 65536, (200, 30, 3), dtype=np.uint16)
    vips_of(array, "rgb16").pngsave(str(path), bitdepth=16, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut_rows * 30 * 6])
    return array


def test_a_16_bit_png_that_lacks_a_little_is_opened_with_a_note(tmp_path: Path):
    path = tmp_path / "a.png"
    array = deep_png(path, cut_rows=10)

    loaded = load_image(path)
    (written,) = write_crops(path, [(0, 0, 30, 180)], [tmp_path / "crop"])

    (note,) = loaded.notes
    (missing_rows,) = map(int, re.findall(r"\d+(?= rows)", note))
    assert 10 <= missing_rows <= 12
    assert (loaded.width_px, loaded.height_px) == (30, 200)
    assert (crop_values(written) == array[:180]).all()


@pytest.mark.parametrize(
    ("cut_rows", "interlace"),
    [pytest.param(50, False, id="much"), pytest.param(10, True, id="interlaced")],
)
def test_a_16_bit_png_that_lacks_much_or_unknown_rows_is_refused(
    tmp_path: Path, cut_rows: int, interlace: bool
):
    path = tmp_path / "a.png"
    deep_png(path, cut_rows, interlace=interlace)

    with pytest.raises(InvalidImage, match=r"damaged image: .*a\.png"):
        load_image(path)


def test_transparency_shows_the_backdrop(tmp_path: Path):
    path = tmp_path / "a.png"
    array = values(4, "uint16")
    array[..., 3] = 0
    vips_of(array, "rgb16").pngsave(str(path))

    assert load_image(path).rgb.getpixel((5, 5)) == (128, 128, 128)


def test_a_large_deep_image_is_reduced(tmp_path: Path):
    path = tmp_path / "a.tif"
    array = np.full((1500, 5000, 3), 30_000, np.uint16)
    vips_of(array, "rgb16").tiffsave(str(path), compression="lzw")

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == (5000, 1500)
    assert loaded.rgb.size == (1024, 307)
    assert loaded.rgb.getpixel((500, 100)) == (117, 117, 117)


def test_a_photoshop_document_with_16_bits_is_told_how_to_save(tmp_path: Path):
    path = tmp_path / "a.psd"
    path.write_bytes(b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 10, 10, 16, 3) + bytes(40))

    with pytest.raises(InvalidImage, match=r"16 bits.*TIFF"):
        load_image(path)


def test_the_profile_of_a_deep_image_is_applied_and_kept(tmp_path: Path):
    from PIL import ImageCms

    path = tmp_path / "a.tif"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 100, 50)).save(buffer, "TIFF", icc_profile=profile)
    path.write_bytes(buffer.getvalue())

    written, said = cut(path)

    with Image.open(written) as crop:
        assert crop.info["icc_profile"] == profile
    assert said == []


@pytest.mark.parametrize("compression", ["lzma", "zstd"])
def test_a_tiff_packed_in_a_way_that_libvips_lacks_is_read(tmp_path: Path, compression: str):
    pixels = Image.linear_gradient("L").convert("RGB")
    path = tmp_path / "packed.tif"
    pixels.save(path, compression=compression)

    assert load_image(path).rgb.tobytes() == pixels.tobytes()


def test_a_tiff_without_a_resolution_gets_none(tmp_path: Path):
    path = tmp_path / "photo.tif"
    Image.new("RGB", (40, 30)).save(path)

    (crop,) = write_crops(path, [(0, 0, 20, 20)], [tmp_path / "crop"])

    with Image.open(crop) as image:
        assert not {282, 283, 296} & set(image.tag_v2)  # type: ignore[attr-defined]


def test_what_a_library_says_about_damage_is_not_for_users(tmp_path: Path):
    path = tmp_path / "photo.png"
    pyvips.Image.black(300, 300).cast("ushort").copy(interpretation="grey16").pngsave(str(path))
    content = path.read_bytes()
    path.write_bytes(content[:270] + b"\xff" * 100 + content[370:])

    with pytest.raises(InvalidImage, match=r"damaged image: .*photo\.png'; get it again") as caught:
        load_image(path)
    assert "png" not in str(caught.value).replace("photo.png", "")


def test_a_raw_photo_that_cannot_be_developed_is_told_without_the_library_s_words(tmp_path: Path):
    pytest.importorskip("rawpy")
    path = tmp_path / "photo.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW" + bytes(500))

    with pytest.raises(InvalidImage, match="a raw photo") as caught:
        load_image(path)
    assert "b'" not in str(caught.value)

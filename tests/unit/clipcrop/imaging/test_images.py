from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from clipcrop.errors import InputError, InvalidImage
from clipcrop.imaging import images
from clipcrop.imaging.images import (
    BACKDROP_RGB,
    load_image,
    prepare_image,
    read_orientation,
    to_srgb_rgb,
)

ORIENTATION_TAG = 0x0112
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def four_corners(width_px: int = 60, height_px: int = 40) -> Image.Image:
    """Red, green / blue, white: every turn and mirroring of it looks different."""
    image = Image.new("RGB", (width_px, height_px))
    half = (width_px // 2, height_px // 2)
    for colour, at in zip(
        (RED, GREEN, BLUE, WHITE), ((0, 0), (half[0], 0), (0, half[1]), half), strict=True
    ):
        image.paste(colour, (*at, at[0] + half[0], at[1] + half[1]))
    return image


def corner_colours(image: Image.Image) -> list[object]:
    right, bottom = image.width - 4, image.height - 4
    return [image.getpixel(at) for at in ((3, 3), (right, 3), (3, bottom), (right, bottom))]


def assert_close(got: object, expected: tuple[int, int, int], tolerance: int = 3) -> None:
    assert isinstance(got, tuple)
    assert np.abs(np.subtract(got, expected)).max() <= tolerance, (got, expected)


def stored_as(orientation: int, image: Image.Image) -> Image.Image:
    """The upright image as a camera would store it under an orientation tag."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return image if undo is None else image.transpose(undo)


def swapped_profile() -> bytes:
    """A valid RGB profile in which the red and blue primaries have changed places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for entry in range(struct.unpack(">I", profile[128:132])[0]):
        start = 132 + 12 * entry
        name = bytes(profile[start : start + 4])
        if name in {b"rXYZ", b"bXYZ"}:
            profile[start : start + 4] = b"bXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(profile)


# Size


def test_a_large_image_is_reduced_and_remembers_its_size(tmp_path: Path):
    path = tmp_path / "large.png"
    four_corners(3000, 2000).save(path)

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == (3000, 2000)
    assert loaded.rgb.size == (1024, 683)
    assert corner_colours(loaded.rgb) == [RED, GREEN, BLUE, WHITE]


def test_a_jpeg_is_reduced_to_the_same_as_the_same_image_in_png(tmp_path: Path):
    image = four_corners(3001, 1999)
    image.save(tmp_path / "image.jpg", quality=95)
    image.save(tmp_path / "image.png")

    from_jpeg, from_png = (load_image(tmp_path / f"image.{kind}", 500) for kind in ("jpg", "png"))

    assert from_jpeg.rgb.size == from_png.rgb.size
    difference = np.abs(np.asarray(from_jpeg.rgb, int) - np.asarray(from_png.rgb, int))
    assert np.mean(difference) < 1


def test_a_small_image_is_not_enlarged(tmp_path: Path):
    path = tmp_path / "small.png"
    four_corners(60, 40).save(path)

    assert load_image(path).rgb.size == (60, 40)


@pytest.mark.parametrize(
    ("size_px", "reduced_px"),
    [
        pytest.param((1, 1), (1, 1), id="one pixel"),
        pytest.param((1, 10_000), (1, 1024), id="a column"),
        pytest.param((10_000, 1), (1024, 1), id="a row"),
        pytest.param((20_000, 3), (1024, 1), id="a thread"),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_extreme_shapes_keep_at_least_a_pixel(
    tmp_path: Path, size_px: tuple[int, int], reduced_px: tuple[int, int], suffix: str
):
    path = tmp_path / f"extreme.{suffix}"
    Image.new("RGB", size_px, (200, 100, 50)).save(path, quality=95)

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == size_px
    assert loaded.rgb.size == reduced_px
    assert_close(loaded.rgb.getpixel((0, 0)), (200, 100, 50))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_hundred_megapixels_are_read_without_a_warning(
    tmp_path: Path, suffix: str, pillow_limit: int | None
):
    path = tmp_path / f"panorama.{suffix}"
    Image.new("L", (20_000, 5_000), 77).save(path, compress_level=1)
    assert pillow_limit is not None
    assert pillow_limit < 100_000_000  # else this test would show nothing

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == (20_000, 5_000)
    assert loaded.rgb.size == (1024, 256)
    assert_close(loaded.rgb.getpixel((500, 100)), (77, 77, 77))


def test_more_than_the_cap_is_refused_before_it_is_decoded(
    tmp_path: Path, pillow_limit: int | None
):
    path = tmp_path / "bomb.png"
    side_px = 60_000
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
        )
    )

    with pytest.raises(InvalidImage, match=r"bomb\.png.* 3600 megapixels.*CLIPCROP_MAX_IMAGE_MB"):
        load_image(path)


def png_bomb(side_px: int) -> bytes:
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def tiff_bomb(side_px: int) -> bytes:
    tags = ((256, side_px), (257, side_px), (258, 8), (259, 1), (262, 1), (273, 8), (279, 1 << 30))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


BOMBS = {
    "webp": b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\x0f" + bytes(9),
    "webp vp8x": b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0"
    + bytes(4)
    + b"\xff\x3f\0\xff\x3f\0"
    + bytes(9),
    "png": png_bomb(9000),
    "gif": b"GIF89a"
    + struct.pack("<HH", 65535, 65535)
    + b"\0\0\0,"
    + bytes(4)
    + struct.pack("<HH", 65535, 65535)
    + b"\0\x02\x02\x44\x01\0;",
    "tiff": tiff_bomb(20_000),
    "bmp": b"BM"
    + struct.pack("<IHHI", 54, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 15_000, 15_000, 1, 24, 0, 0, 0, 0, 0, 0),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_few_bytes_that_claim_a_large_picture_are_refused_before_they_are_decoded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "bomb.jpg"
    path.write_bytes(BOMBS[kind])

    def decodes(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.core, "new", decodes)
    monkeypatch.setattr("clipcrop.imaging.deep_images.reduced_pixels", decodes)

    with pytest.raises(InvalidImage, match=r"megapixels|missing"):
        load_image(path)


def test_the_limit_can_be_set_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "photo.png"
    Image.new("RGB", (1000, 500)).save(path)

    monkeypatch.setenv("CLIPCROP_MAX_IMAGE_MB", "1")
    with pytest.raises(InvalidImage, match=r"photo\.png.* 1 MB.*CLIPCROP_MAX_IMAGE_MB"):
        load_image(path)
    monkeypatch.setenv("CLIPCROP_MAX_IMAGE_MB", "2")
    assert load_image(path).width_px == 1000
    monkeypatch.setenv("CLIPCROP_MAX_IMAGE_MB", "much")
    with pytest.raises(InvalidImage, match="'much'"):
        load_image(path)


def test_no_other_program_is_started_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def starts(*_: object, **__: object) -> None:
        raise AssertionError("a program is started")

    for name in ("subprocess.Popen", "subprocess.check_call", "os.system"):
        monkeypatch.setattr(name, starts)
    contents = {
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n",
        "dos_eps.jpg": b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 32, 60) + bytes(20) + b"%!PS-Adobe",
        "pdf.jpg": b"%PDF-1.7\n",
        "svg.jpg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "wmf.jpg": b"\xd7\xcd\xc6\x9a" + bytes(60),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidImage, match=name):
            load_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["baseline", "progressive"])
def test_a_jpeg_that_lacks_its_last_bytes_is_opened_with_a_note(
    tmp_path: Path, astronaut_path: Path, kind: str
):
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    with Image.open(astronaut_path) as image:
        image.save(whole, quality=90, progressive=kind == "progressive")
    cut.write_bytes(whole.read_bytes()[:-10])

    loaded = load_image(cut)

    assert "cut.jpg" in loaded.notes[0]
    assert load_image(whole).notes == ()
    difference = np.asarray(loaded.rgb, int) - np.asarray(load_image(whole).rgb, int)
    assert np.abs(difference[:480]).max() <= 8


def test_a_png_without_its_end_is_opened(tmp_path: Path, astronaut_path: Path):
    path = tmp_path / "cut.png"
    with Image.open(astronaut_path) as image:
        image.save(path)
    path.write_bytes(path.read_bytes()[:-16])

    assert load_image(path).rgb.size == (512, 512)


def test_a_short_marker_in_a_jpeg_is_passed_over_with_a_note(tmp_path: Path, astronaut_path: Path):
    path = tmp_path / "photo.jpg"
    content = astronaut_path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xee\x00\x08Adobe\0" + content[2:])

    loaded = load_image(path)

    assert len(loaded.notes) == 1
    assert np.array_equal(np.asarray(loaded.rgb), np.asarray(load_image(astronaut_path).rgb))


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt"])
def test_a_png_with_a_damaged_or_huge_note_is_opened(tmp_path: Path, name: bytes):
    path = tmp_path / "photo.png"
    four_corners().save(path)
    content = path.read_bytes()
    data = b"Comment\0" + (b"\0" + zlib.compress(bytes(70_000_000)) if name == b"zTXt" else b"x")
    checksum = zlib.crc32(name + data) ^ (1 if name == b"tEXt" else 0)
    note = struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    path.write_bytes(content[:33] + note + content[33:])

    assert corner_colours(load_image(path).rgb) == [RED, GREEN, BLUE, WHITE]


def test_an_image_without_pixels_is_refused():
    with pytest.raises(InvalidImage, match="no pixels: the image is 0 x 7"):
        prepare_image(Image.new("RGB", (0, 7)))


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_every_orientation_comes_out_upright(tmp_path: Path, orientation: int, suffix: str):
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    options = {"quality": 100} if suffix in {"jpg", "webp"} else {}
    stored_as(orientation, four_corners(60, 40)).save(path, exif=exif, **options)

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == loaded.rgb.size == (60, 40)
    for got, expected in zip(corner_colours(loaded.rgb), (RED, GREEN, BLUE, WHITE), strict=True):
        assert_close(got, expected, tolerance=10)


def test_a_large_turned_jpeg_is_reduced_along_its_upright_sides(tmp_path: Path):
    path = tmp_path / "portrait.jpg"
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    stored_as(6, four_corners(2000, 3000)).save(path, exif=exif, quality=95)

    loaded = load_image(path)

    assert (loaded.width_px, loaded.height_px) == (2000, 3000)
    assert loaded.rgb.size == (683, 1024)
    assert_close(loaded.rgb.getpixel((10, 10)), RED, tolerance=10)


@pytest.mark.parametrize("orientation", [0, 9, 65_000])
def test_a_senseless_orientation_counts_as_upright(orientation: int):
    image = four_corners()
    image.getexif()[ORIENTATION_TAG] = orientation

    assert read_orientation(image) == 1
    assert prepare_image(image).rgb.size == (60, 40)


def test_damaged_exif_data_counts_as_upright(caplog: pytest.LogCaptureFixture):
    image = four_corners()
    image.info["exif"] = b"Exif\x00\x00II\x2a\x00\xff"

    with caplog.at_level(logging.WARNING):
        assert prepare_image(image).rgb.size == (60, 40)

    assert "image.orientation_unreadable" in caplog.text


# Modes


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        pytest.param("1", 1, WHITE, id="1"),
        pytest.param("L", 90, (90, 90, 90), id="L"),
        pytest.param("LA", (90, 255), (90, 90, 90), id="LA"),
        pytest.param("La", (90, 255), (90, 90, 90), id="La"),
        pytest.param("RGB", (10, 120, 230), (10, 120, 230), id="RGB"),
        pytest.param("RGBA", (10, 120, 230, 255), (10, 120, 230), id="RGBA"),
        pytest.param("RGBa", (10, 120, 230, 255), (10, 120, 230), id="RGBa"),
        pytest.param("RGBX", (10, 120, 230, 0), (10, 120, 230), id="RGBX"),
        pytest.param("CMYK", (255, 0, 0, 0), (0, 255, 255), id="CMYK"),
        pytest.param("YCbCr", (76, 85, 255), (254, 0, 0), id="YCbCr"),
        pytest.param("HSV", (85, 255, 255), GREEN, id="HSV"),
        pytest.param("LAB", (255, 128, 128), WHITE, id="LAB"),
        pytest.param("I;16", 65535 // 4, (64, 64, 64), id="I;16"),
        pytest.param("I;16B", 65535 // 4, (64, 64, 64), id="I;16B"),
        pytest.param("I", 90, (90, 90, 90), id="I of 8 bits"),
        pytest.param("I", 65535 // 4, (64, 64, 64), id="I of 16 bits"),
        pytest.param("F", 0.25, (64, 64, 64), id="F up to 1"),
        pytest.param("F", 90.0, (90, 90, 90), id="F up to 255"),
    ],
)
@pytest.mark.parametrize("max_side_px", [1024, 16])
def test_every_mode_becomes_the_same_colour_in_srgb(
    mode: str, colour: float | tuple[int, ...], expected: tuple[int, int, int], max_side_px: int
):
    image = Image.new(mode, (40, 20), colour)

    rgb = prepare_image(image, max_side_px).rgb

    assert (rgb.mode, rgb.size) == (
        "RGB",
        (max_side_px, max_side_px // 2) if max_side_px < 40 else (40, 20),
    )
    assert_close(rgb.getpixel((7, 5)), expected)


def test_a_palette_is_mixed_as_colours_not_as_indices():
    image = Image.new("P", (40, 40), 0)
    image.putpalette([*RED, *([0] * 297), *BLUE])  # index 0 red, index 100 blue, black between
    image.paste(100, (0, 0, 40, 20))

    rgb = prepare_image(image, 10).rgb

    assert rgb.getpixel((5, 2)) == BLUE
    assert rgb.getpixel((5, 8)) == RED


@pytest.mark.parametrize(
    ("image", "info"),
    [
        pytest.param(Image.new("RGBA", (8, 8), (255, 0, 0, 0)), {}, id="RGBA"),
        pytest.param(Image.new("LA", (8, 8), (255, 0)), {}, id="LA"),
        pytest.param(Image.new("L", (8, 8), 255), {"transparency": 255}, id="transparent grey"),
        pytest.param(Image.new("RGB", (8, 8), RED), {"transparency": RED}, id="transparent colour"),
        pytest.param(Image.new("P", (8, 8), 3), {"transparency": 3}, id="transparent entry"),
        pytest.param(Image.new("P", (8, 8), 1), {"transparency": b"\xff\x00"}, id="alpha palette"),
    ],
)
def test_the_backdrop_shows_through_transparency(image: Image.Image, info: dict[str, object]):
    if image.mode == "P":
        image.putpalette([*RED, *GREEN, *BLUE, *WHITE])
    image.info.update(info)

    assert prepare_image(image).rgb.getpixel((4, 4)) == BACKDROP_RGB


def test_colours_under_full_transparency_do_not_bleed_into_the_reduced_image():
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 32, 64))

    rgb = np.asarray(prepare_image(image, 9).rgb, int)

    assert (rgb[..., 1] <= BACKDROP_RGB[1] + 2).all()


def test_a_16_bit_png_is_scaled_not_clipped(tmp_path: Path):
    path = tmp_path / "deep.png"
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (8, 1))
    Image.fromarray(ramp).save(path)

    row = np.asarray(load_image(path).rgb, int)[4, :, 0]

    assert np.abs(row - np.arange(256)).max() <= 1


def test_floats_outside_the_usual_ranges_are_stretched_and_not_numbers_are_black():
    values = np.array([[-1.0, 0.0, 3.0, np.nan, np.inf]], dtype=np.float32)

    row = np.asarray(prepare_image(Image.fromarray(values)).rgb)[0, :, 0].tolist()

    assert row == [0, 64, 255, 64, 64]


# Profiles


def test_an_embedded_profile_is_applied(tmp_path: Path):
    path = tmp_path / "profile.png"
    Image.new("RGB", (8, 8), RED).save(path, icc_profile=swapped_profile())

    assert_close(load_image(path).rgb.getpixel((4, 4)), BLUE, tolerance=8)


def test_a_profile_is_applied_under_transparency_but_not_to_the_backdrop():
    image = Image.new("RGBA", (8, 4), (255, 0, 0, 255))
    image.paste((255, 0, 0, 0), (4, 0, 8, 4))
    image.info["icc_profile"] = swapped_profile()

    rgb = prepare_image(image).rgb

    assert_close(rgb.getpixel((1, 1)), BLUE, tolerance=8)
    assert rgb.getpixel((6, 1)) == BACKDROP_RGB


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        pytest.param("RGB", b"not a profile", id="no profile at all"),
        pytest.param("RGB", swapped_profile()[:200], id="cut off"),
        pytest.param("L", swapped_profile(), id="of another colour space"),
        pytest.param("CMYK", swapped_profile(), id="RGB profile in a CMYK image"),
    ],
)
def test_a_broken_profile_is_logged_and_ignored(
    mode: str, profile: bytes, caplog: pytest.LogCaptureFixture
):
    image = Image.new(mode, (8, 8))
    without_profile = prepare_image(image).rgb.getpixel((4, 4))
    image.info["icc_profile"] = profile

    with caplog.at_level(logging.WARNING):
        rgb = prepare_image(image).rgb

    assert rgb.getpixel((4, 4)) == without_profile
    assert f"image.profile_ignored mode={mode}" in caplog.text


# Files that are no images


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InvalidImage, match=r"no such image: '.*gone\.jpg'; check the name"):
        load_image(tmp_path / "gone.jpg")


def test_a_folder_is_named(tmp_path: Path):
    with pytest.raises(InvalidImage, match=r"a folder, not an image: .*; name a file"):
        load_image(tmp_path)


@pytest.mark.parametrize("name", ["a\0b.jpg", "x" * 5000])
def test_an_impossible_name_is_an_input_error(name: str):
    with pytest.raises(InvalidImage, match=r"cannot read|no such image"):
        load_image(name)


def test_an_empty_file_is_named(tmp_path: Path):
    path = tmp_path / "empty.jpg"
    path.touch()

    with pytest.raises(InvalidImage, match=r"empty file: '.*empty\.jpg'"):
        load_image(path)


@pytest.mark.parametrize(
    "content", [b"just some text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", bytes(1000)]
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)

    with pytest.raises(InvalidImage, match=r"photo\.jpg"):
        load_image(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif", "bmp"])
def test_a_truncated_file_is_refused(tmp_path: Path, astronaut_path: Path, suffix: str):
    path = tmp_path / f"cut.{suffix}"
    Image.open(astronaut_path).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(InvalidImage, match=rf"cut\.{suffix}"):
        load_image(path)


# Pillow warns of some damage before it raises or goes on.
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "gif"])
def test_random_damage_gives_an_image_or_an_input_error(tmp_path: Path, suffix: str):
    random = np.random.default_rng(5)
    path = tmp_path / f"damaged.{suffix}"
    four_corners(64, 48).save(path)
    whole = path.read_bytes()

    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for at in random.integers(0, len(whole), size=4):
            content[at] = random.integers(0, 256)
        path.write_bytes(content)
        try:
            load_image(path)
        except InvalidImage:
            refused += 1

    assert 0 < refused < 200


def test_invalid_images_are_input_errors_and_value_errors():
    assert issubclass(InvalidImage, InputError)
    assert issubclass(InvalidImage, ValueError)


# Images in memory


def test_an_image_in_memory_is_left_as_it_is():
    image = four_corners(2000, 1000)
    image.getexif()[ORIENTATION_TAG] = 3
    before = image.tobytes()

    rgb = prepare_image(image, 100).rgb
    rgb.paste(BLUE, (0, 0, 100, 50))

    assert image.size == (2000, 1000)
    assert image.tobytes() == before
    assert read_orientation(image) == 3


def test_a_small_image_in_memory_is_copied():
    image = four_corners()

    prepare_image(image).rgb.paste(BLUE, (0, 0, 60, 40))

    assert corner_colours(image) == [RED, GREEN, BLUE, WHITE]


def test_an_undecoded_jpeg_in_memory_keeps_its_size(astronaut_path: Path):
    with Image.open(astronaut_path) as image:
        loaded = prepare_image(image, 64)

        assert image.size == (512, 512)
    assert loaded.rgb.size == (64, 64)


def test_to_srgb_rgb_keeps_the_full_size():
    assert to_srgb_rgb(Image.new("RGBA", (3000, 10), (1, 2, 3, 255))).size == (3000, 10)


def test_the_result_carries_no_profile_and_no_orientation_to_apply_again():
    image = four_corners()
    image.info["icc_profile"] = swapped_profile()
    image.getexif()[ORIENTATION_TAG] = 6

    rgb = prepare_image(image).rgb

    assert rgb.info == {}
    assert read_orientation(rgb) == 1


def test_a_sample_photo_looks_the_same_as_pillow_shows_it(astronaut_path: Path):
    with Image.open(astronaut_path) as image:
        expected = np.asarray(image.convert("RGB"))

    assert np.array_equal(np.asarray(load_image(astronaut_path).rgb), expected)


def test_the_limit_of_pillow_is_raised_only_inside_the_block(pillow_limit: int | None):
    with images.pillow_limit_raised():
        assert Image.MAX_IMAGE_PIXELS is None
        with images.pillow_limit_raised():
            pass
        assert Image.MAX_IMAGE_PIXELS is None

    assert pillow_limit == Image.MAX_IMAGE_PIXELS


def test_animations_give_their_first_frame(tmp_path: Path):
    path = tmp_path / "moving.gif"
    Image.new("RGB", (8, 8), RED).save(
        path, save_all=True, append_images=[Image.new("RGB", (8, 8), BLUE)]
    )

    assert load_image(path).rgb.getpixel((4, 4)) == RED


def test_a_profile_of_cmyk_survives_the_way_through_a_file(tmp_path: Path):
    buffer = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(buffer, "JPEG", quality=95)
    path = tmp_path / "print.jpg"
    path.write_bytes(buffer.getvalue())

    assert_close(load_image(path).rgb.getpixel((8, 8)), RED, tolerance=6)


@pytest.mark.parametrize(("brand", "kind"), [(b"heic", "HEIC"), (b"avif", "AVIF")])
def test_a_photo_without_its_boxes_is_called_by_its_kind(tmp_path: Path, brand: bytes, kind: str):
    path = tmp_path / "photo"
    path.write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(12))

    with pytest.raises(InvalidImage, match=kind):
        load_image(path)

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from clipcrop.errors import InputError, InvalidImage
from clipcrop.imaging.crop_files import write_crops
from clipcrop.imaging.images import pillow_limit_raised

ORIENTATION_TAG, COPYRIGHT_TAG, EXIF_IFD, GPS_IFD = 0x0112, 0x8298, 0x8769, 0x8825
PIXEL_WIDTH_TAG, PIXEL_HEIGHT_TAG = 0xA002, 0xA003


pillow_heif.register_heif_opener()


def gradient(width_px: int = 64, height_px: int = 48) -> Image.Image:
    """Red tells the column, green the row."""
    columns, rows = np.meshgrid(np.arange(width_px), np.arange(height_px))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8))


def test_a_crop_has_the_pixels_of_the_original(tmp_path: Path):
    path = tmp_path / "original.png"
    gradient().save(path)

    (written,) = write_crops(path, [(10, 20, 30, 45)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert crop.size == (20, 25)
        assert crop.getpixel((0, 0)) == (10, 20, 0)
        assert crop.getpixel((19, 24)) == (29, 44, 0)


@pytest.mark.parametrize("suffix", ["png", "tif"])  # Pillow turns a TIFF by itself
def test_the_box_is_in_the_upright_image_and_the_crop_is_not_turned_again(
    tmp_path: Path, suffix: str
):
    path = tmp_path / f"portrait.{suffix}"
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6  # stored lying: turned by 90 degrees clockwise to stand
    gradient().transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)

    (written,) = write_crops(path, [(10, 20, 30, 45)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert crop.getexif().get(ORIENTATION_TAG, 1) == 1
        assert crop.size == (20, 25)
        assert crop.getpixel((0, 0)) == (10, 20, 0)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"),
        ("L", "png"),
        ("LA", "png"),
        ("P", "png"),
        ("RGBA", "png"),
        ("I;16", "png"),
        ("L", "jpg"),
        ("CMYK", "jpg"),
        ("RGBA", "webp"),
        ("I;16", "tif"),
        ("F", "tif"),
        ("CMYK", "tiff"),
        ("RGB", "jpeg"),
        ("RGB", "JPG"),
    ],
)
def test_mode_and_format_stay(tmp_path: Path, mode: str, suffix: str):
    path = tmp_path / f"original.{suffix}"
    Image.new(mode, (40, 30)).save(path)

    (written,) = write_crops(path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    assert written == tmp_path / f"crop.{suffix}"
    with Image.open(written) as crop:
        assert (crop.mode, crop.size) == (mode, (20, 10))


@pytest.mark.parametrize(
    ("mode", "suffix", "written_as"),
    [
        pytest.param("P", "gif", "png", id="a format for other things"),
        pytest.param("RGB", "bmp", "png", id="a format without metadata"),
        pytest.param("RGB", "unnamed", "png", id="a suffix that says nothing"),
    ],
)
def test_other_formats_become_png_or_tiff(tmp_path: Path, mode: str, suffix: str, written_as: str):
    path = tmp_path / f"original.{suffix}"
    formats = {"unnamed": "PNG"}
    Image.new(mode, (40, 30)).save(path, formats.get(suffix))

    (written,) = write_crops(path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    assert written == tmp_path / f"crop.{written_as}"
    with Image.open(written) as crop:
        assert crop.size == (20, 10)


def test_a_suffix_that_lies_is_put_right(tmp_path: Path):
    path = tmp_path / "really_a_jpeg.png"
    gradient().save(path, "JPEG")

    (written,) = write_crops(path, [(0, 0, 8, 8)], [tmp_path / "crop"])

    assert written.name == "crop.jpg"
    with Image.open(written) as crop:
        assert crop.format == "JPEG"


def test_16_bits_of_grey_stay_exact(tmp_path: Path):
    path = tmp_path / "deep.png"
    values = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(values).save(path)

    (written,) = write_crops(path, [(10, 20, 30, 45)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert np.array_equal(np.asarray(crop), values[20:45, 10:30])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_the_profile_stays(tmp_path: Path, suffix: str):
    path = tmp_path / f"original.{suffix}"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gradient().save(path, icc_profile=profile)

    (written,) = write_crops(path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert crop.info["icc_profile"] == profile


def test_a_transparent_palette_entry_stays(tmp_path: Path):
    path = tmp_path / "original.png"
    image = Image.new("P", (40, 30), 2)
    image.putpalette([10, 20, 30] * 4)
    image.save(path, transparency=2)

    (written,) = write_crops(path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert crop.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_says_what_it_said_about_the_photo_and_the_new_size(tmp_path: Path, suffix: str):
    path = tmp_path / f"original.{suffix}"
    exif = Image.Exif()
    exif[COPYRIGHT_TAG] = "a photographer"
    exif[ORIENTATION_TAG] = 1
    exif.get_ifd(EXIF_IFD).update({PIXEL_WIDTH_TAG: 64, PIXEL_HEIGHT_TAG: 48, 0x9003: "2024"})
    exif.get_ifd(GPS_IFD).update({1: "N"})
    gradient().save(path, exif=exif.tobytes())  # as bytes: else Pillow's TIFF loses the details

    (written,) = write_crops(path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        kept = crop.getexif()
        details = kept.get_ifd(EXIF_IFD)
        assert kept[COPYRIGHT_TAG] == "a photographer"
        assert (details[PIXEL_WIDTH_TAG], details[PIXEL_HEIGHT_TAG]) == (20, 10)
        assert details[0x9003] == "2024"
        assert kept.get_ifd(GPS_IFD)[1] == "N"


def test_several_crops_of_one_file_each_state_their_own_size(tmp_path: Path):
    path = tmp_path / "original.jpg"
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update({PIXEL_WIDTH_TAG: 64, PIXEL_HEIGHT_TAG: 48})
    gradient().save(path, exif=exif)
    boxes_px = [(0, 0, 10, 10), (0, 0, 64, 48), (60, 40, 64, 48)]

    written = write_crops(path, boxes_px, [tmp_path / f"v1.0-{rank}" for rank in range(3)])

    assert [file.name for file in written] == ["v1.0-0.jpg", "v1.0-1.jpg", "v1.0-2.jpg"]
    sizes = []
    for file in written:
        with Image.open(file) as crop:
            details = crop.getexif().get_ifd(EXIF_IFD)
            assert crop.size == (details[PIXEL_WIDTH_TAG], details[PIXEL_HEIGHT_TAG])
            sizes.append(crop.size)
    assert sizes == [(10, 10), (64, 48), (4, 8)]


def test_a_file_without_metadata_gets_none(tmp_path: Path, astronaut_path: Path):
    (written,) = write_crops(astronaut_path, [(5, 5, 25, 15)], [tmp_path / "crop"])

    with Image.open(written) as crop:
        assert not crop.info.keys() & {"exif", "icc_profile"}


@pytest.mark.parametrize(
    "box_px",
    [(0, 0, 0, 10), (10, 0, 5, 10), (-1, 0, 10, 10), (0, 0, 65, 10), (0, 0, 10, 49)],
)
def test_a_box_outside_the_image_is_refused(tmp_path: Path, box_px: tuple[int, int, int, int]):
    path = tmp_path / "original.png"
    gradient().save(path)

    with pytest.raises(InputError, match=r"no such box: .* in an image of 64 x 48 pixels"):
        write_crops(path, [box_px], [tmp_path / "crop"])


def test_a_name_for_each_box_is_needed(astronaut_path: Path):
    with pytest.raises(InputError, match="as many names as boxes are needed: 0 for 1"):
        write_crops(astronaut_path, [(0, 0, 1, 1)], [])


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path: Path, astronaut_path: Path):
    with pytest.raises(InputError, match=r"cannot write .*crop\.jpg.*; choose another folder"):
        write_crops(astronaut_path, [(0, 0, 9, 9)], [tmp_path / "missing" / "crop"])


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path, astronaut_path: Path):
    (tmp_path / "crop.jpg").mkdir()

    written = write_crops(astronaut_path, [(0, 0, 9, 9)], [tmp_path / "crop"], overwrite=True)

    assert written == [tmp_path / "crop-2.jpg"]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_original_is_an_invalid_image(tmp_path: Path, astronaut_path: Path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(astronaut_path.read_bytes()[:5000])

    with pytest.raises(InvalidImage, match=r"damaged image: .*cut\.jpg"):
        write_crops(path, [(0, 0, 9, 9)], [tmp_path / "crop"])


def test_a_crop_of_a_hundred_megapixels_is_cut_without_a_warning(
    tmp_path: Path, pillow_limit: int | None
):
    path = tmp_path / "panorama.png"
    Image.new("L", (20_000, 5_000), 77).save(path, compress_level=1)

    (written,) = write_crops(path, [(1, 1, 20_000, 5_000)], [tmp_path / "crop"])

    with pillow_limit_raised(), Image.open(written) as crop:
        assert crop.size == (19_999, 4_999)


_JXL_BY_BITS = {
    8: "/woYEBBQXAgIAgEAkABLGIsVQhll3IpzgL0oz/NvPvBM+rmLKPtaksawhgE0Bw6LwQI=",
    16: "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAABGanhsY/8KGBD8ABQXAggCAQC8"
    "AEsYixXCOaoXAK7fARzheXgeng+ZzeUfZmS1Q9vOp3QrsxvalodEyQktAEBQBAAA",
}
"""4 x 4 pixels, by cjxl -d 0."""


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", ["jxl", "ppm"])
def test_bits_that_a_crop_lacks_are_told(tmp_path: Path, suffix: str, bits: int):
    path = tmp_path / f"photo.{suffix}"
    if suffix == "ppm":
        highest = 2**bits - 1
        path.write_bytes(b"P6\n# by hand\n4 4\n%d\n" % highest + bytes(48 * bits // 8))
    else:
        path.write_bytes(base64.b64decode(_JXL_BY_BITS[bits]))
    told: list[str] = []

    write_crops(path, [(0, 0, 4, 4)], [tmp_path / "crop"], tell=told.append)

    assert any("bits beyond 8" in line for line in told) == (bits == 16)


def noise(mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (64, 64, len(mode)), dtype=np.uint8)
    return Image.fromarray(values, mode)


def packing(path: Path) -> tuple[object, ...]:
    """Subsampling, colour primaries and transfer characteristics of a HEIC or AVIF."""
    content = path.read_bytes()
    colours = content.index(b"nclx") + 4
    if path.suffix == ".avif":
        subsampling: object = content[content.index(b"av1C") + 6] & 0x1C
    else:
        with Image.open(path) as image:
            subsampling = image.info["chroma"]
    return subsampling, content[colours : colours + 4]


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        *((".avif", {"subsampling": one}) for one in ("4:4:4", "4:2:2", "4:2:0", "4:0:0")),
        *((".heic", {"chroma": one}) for one in ("444", "422", "420")),
        (".heic", {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}),
    ],
)
def test_heic_and_avif_keep_their_subsampling_and_colour_space(
    tmp_path: Path, suffix: str, options: dict[str, object]
):
    path = tmp_path / f"photo{suffix}"
    noise("RGBA").save(path, **options)
    told: list[str] = []

    (written,) = write_crops(path, [(0, 0, 40, 40)], [tmp_path / "crop"], tell=told.append)

    assert packing(written) == packing(path)
    assert told == []


def with_changed(path: Path, start: bytes, offset: int, new: bytes) -> None:
    """Change bytes so many after the start of a box."""
    content = bytearray(path.read_bytes())
    at = content.index(start) + offset
    content[at : at + len(new)] = new
    path.write_bytes(content)


def test_an_avif_in_another_colour_space_keeps_it(tmp_path: Path):
    path = tmp_path / "photo.avif"
    noise().save(path)
    with_changed(path, b"colrnclx", 8, b"\0\x0c\0\x0d")  # Display P3

    (written,) = write_crops(path, [(0, 0, 40, 40)], [tmp_path / "crop"])

    assert packing(written)[1] == b"\0\x0c\0\x0d"


def test_a_heic_without_loss_keeps_its_values(tmp_path: Path):
    path = tmp_path / "photo.heic"
    noise().save(path, quality=-1, chroma="444", matrix_coefficients=0)
    told: list[str] = []

    (written,) = write_crops(path, [(0, 0, 40, 40)], [tmp_path / "crop"], tell=told.append)

    with Image.open(written) as crop:
        assert (np.asarray(crop) == np.asarray(noise())[:40, :40]).all()
    assert told == []


def test_an_avif_that_may_be_without_loss_is_told(tmp_path: Path):
    path = tmp_path / "photo.avif"
    noise().save(path, subsampling="4:4:4", quality=100)
    with_changed(path, b"colrnclx", 12, b"\0\0")  # RGB as it is
    told: list[str] = []

    write_crops(path, [(0, 0, 40, 40)], [tmp_path / "crop"], tell=told.append)

    (line,) = told
    assert "without loss" in line


def test_a_heic_with_more_bits_or_further_pictures_is_told(tmp_path: Path):
    deep, with_map = tmp_path / "deep.heic", tmp_path / "map.heic"
    pillow_heif.from_bytes("RGB;16", (64, 64), bytes(64 * 64 * 6)).save(deep)
    noise("RGBA").save(with_map)
    # Transparency becomes what readers pass over, as they do gain maps.
    with_changed(with_map, b"auxid:1", 6, b"9")
    told: list[str] = []

    write_crops(deep, [(0, 0, 40, 40)], [tmp_path / "crop"], tell=told.append)
    write_crops(with_map, [(0, 0, 40, 40)], [tmp_path / "crop"], tell=told.append)

    of_deep, of_map = told
    assert "bits beyond 8" in of_deep
    assert "gain map" in of_map

"""Metadata of a crop: the original's, byte for byte, but for what a crop makes wrong."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image, ImageCms

from clipcrop.imaging.crop_files import write_crops
from clipcrop.imaging.metadata import (
    Segment,
    crop_exif,
    crop_xmp,
    exif_orientation,
    jpeg_exif,
    jpeg_segments,
    png_chunks,
)
from clipcrop.imaging.tiff import tiff_pages

BOX_PX = (5, 5, 25, 15)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" xmp:Rating="4"/>'
XMP_OF_CROP = XMP.replace(b'"6"', b'"1"')
IPTC = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x08\x1c\x02\x19\x00\x03cat"


def photo(width_px: int = 64, height_px: int = 48) -> Image.Image:
    columns, rows = np.meshgrid(np.arange(width_px), np.arange(height_px))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=-1).astype(np.uint8))


def exif_with(orientation: int = 6, note_bytes: int = 0, order: str = "<") -> bytes:
    """EXIF data with an orientation, sizes, a maker's note, and a preview behind it all."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x0112] = orientation
    exif[0x8298] = "a photographer"
    exif.get_ifd(0x8769).update(
        {0xA002: 64, 0xA003: 48, 0x9003: "2024:01:02 03:04:05", 0x927C: b"n" * note_bytes}
    )
    content = bytearray(exif.tobytes()[6:])
    preview = photo(8, 6)
    buffer = io.BytesIO()
    preview.save(buffer, "JPEG")
    data = buffer.getvalue()
    (first,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, first)
    at = len(content)
    struct.pack_into(order + "I", content, first + 2 + 12 * count, at)
    content += struct.pack(order + "H", 2)
    content += struct.pack(order + "HHII", 0x201, 4, 1, at + 30)
    content += struct.pack(order + "HHII", 0x202, 4, 1, len(data)) + bytes(4)
    return bytes(content) + data


def jpeg_with(*segments: Segment, **options: object) -> bytes:
    """A JPEG of the photo with segments of metadata."""
    buffer = io.BytesIO()
    photo().save(buffer, "JPEG", **options)
    content = buffer.getvalue()
    return content[:20] + b"".join(one.encoded() for one in segments) + content[20:]


def crop_of(path: Path, content: bytes, said: list[str] | None = None) -> bytes:
    path.write_bytes(content)
    tell = (said if said is not None else []).append
    (written,) = write_crops(path, [BOX_PX], [path.with_name("crop")], tell=tell)
    return written.read_bytes()


def test_a_jpeg_keeps_all_it_says_and_nothing_is_reported(tmp_path: Path):
    segments = [
        Segment(0xE1, b"Exif\0\0" + exif_with(orientation=1)),
        Segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        Segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 40),
        Segment(0xED, IPTC),
        Segment(0xFE, b"a comment"),
    ]
    said: list[str] = []

    kept, _ = jpeg_segments(crop_of(tmp_path / "a.jpg", jpeg_with(*segments), said))

    payloads = [one.payload for one in kept]
    assert b"http://ns.adobe.com/xap/1.0/\0" + XMP_OF_CROP in payloads
    for segment in segments[2:]:
        assert segment in kept
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + jpeg_exif(kept))
    assert exif[0x8298] == "a photographer"
    assert exif.get_ifd(0x8769)[0xA002] == 20
    assert exif.get_ifd(0x8769)[0xA003] == 10
    assert said == []


def test_exif_data_of_several_segments_stay_whole(tmp_path: Path):
    exif = exif_with(orientation=1, note_bytes=100_000)
    step = 65_527
    segments = [
        Segment(0xE1, b"Exif\0\0" + exif[start : start + step])
        for start in range(0, len(exif), step)
    ]
    said: list[str] = []

    kept, _ = jpeg_segments(crop_of(tmp_path / "a.jpg", jpeg_with(*segments), said))

    assert b"n" * 100_000 in jpeg_exif(kept)
    assert said == []


def test_further_pictures_in_a_jpeg_are_reported(tmp_path: Path):
    said: list[str] = []

    crop_of(tmp_path / "a.jpg", jpeg_with(Segment(0xE2, b"MPF\0II*\0")), said)

    (sentence,) = said
    assert "further pictures" in sentence


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_data_of_a_crop_are_upright_and_show_no_preview_of_the_whole(order: str):
    exif = exif_with(order=order, note_bytes=50)

    changed = crop_exif(exif, (20, 10))

    assert changed is not None
    assert exif_orientation(exif) == 6
    assert exif_orientation(changed) == 1
    assert b"\xff\xd8" in exif
    assert b"\xff\xd8" not in changed
    assert b"n" * 50 in changed
    assert changed.index(b"n" * 50) == exif.index(b"n" * 50)  # makers' notes point to places


@pytest.mark.parametrize("cut", [0, 3, 9, 40])
def test_damaged_exif_data_are_reported_and_left_out(tmp_path: Path, cut: int):
    segment = Segment(0xE1, b"Exif\0\0" + exif_with()[:cut])
    said: list[str] = []

    kept, _ = jpeg_segments(crop_of(tmp_path / "a.jpg", jpeg_with(segment), said))

    assert jpeg_exif(kept) == b""
    assert "EXIF" in said[0]


def test_xmp_tells_the_size_of_the_crop_in_both_spellings():
    packet = b"<a tiff:ImageWidth=\"64\" exif:PixelYDimension='48'/><tiff:Orientation>8</tiff:"

    changed = crop_xmp(packet, (20, 10))

    assert b'tiff:ImageWidth="20"' in changed
    assert b"exif:PixelYDimension='10'" in changed
    assert b"<tiff:Orientation>1<" in changed


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_is_packed_like_the_original(tmp_path: Path, subsampling: int):
    content = crop_of(tmp_path / "a.jpg", jpeg_with(quality=71, subsampling=subsampling))

    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "crop.jpg") as after:
        assert before.quantization == after.quantization  # type: ignore[attr-defined]
    frames = [
        next(one.payload[5:] for one in jpeg_segments(data)[0] if one.marker == 0xC0)
        for data in ((tmp_path / "a.jpg").read_bytes(), content)
    ]
    assert frames[0] == frames[1]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(*chunks: bytes) -> bytes:
    buffer = io.BytesIO()
    photo().save(buffer, "PNG")
    content = buffer.getvalue()
    return content[:33] + b"".join(chunks) + content[33:]


def test_a_png_keeps_all_it_says_and_nothing_is_reported(tmp_path: Path):
    notes = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        chunk(b"tEXt", b"Copyright\0a photographer"),
        chunk(b"zTXt", b"Author\0\0" + zlib.compress(b"me")),
    ]
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0"
    said: list[str] = []

    content = crop_of(
        tmp_path / "a.png",
        png_with(*notes, chunk(b"iTXt", xmp + XMP), chunk(b"eXIf", exif_with(1))),
        said,
    )

    for note in notes:
        assert note in content
    assert chunk(b"iTXt", xmp + XMP_OF_CROP) in content
    assert all(is_sound for _, _, is_sound in png_chunks(content))
    with Image.open(tmp_path / "crop.png") as crop:
        assert crop.getexif()[0x8298] == "a photographer"
    assert said == []


def test_a_png_with_a_damaged_note_is_cut_and_that_is_said(tmp_path: Path):
    damaged = chunk(b"tEXt", b"Comment\0hello")[:-1] + b"?"
    said: list[str] = []

    content = crop_of(tmp_path / "a.png", png_with(damaged), said)

    assert b"hello" not in content
    assert "tEXt" in said[0]


@pytest.mark.parametrize("big_endian", [False, True])
def test_a_tiff_keeps_all_it_says(tmp_path: Path, big_endian: bool):
    exif = Image.Exif()
    exif[0x8298] = "a photographer"
    exif[0x0112] = 3
    exif[700] = XMP
    exif.get_ifd(0x8769).update({0xA002: 64, 0x9003: "2024"})
    exif.get_ifd(0x8825).update({1: "N"})
    buffer = io.BytesIO()
    photo().save(buffer, "TIFF", exif=exif.tobytes()[6:], big_tiff=big_endian, dpi=(300, 300))
    said: list[str] = []

    content = crop_of(tmp_path / "a.tif", buffer.getvalue(), said)

    (page,) = tiff_pages(content)
    assert page.tags[0x8298][2] == b"a photographer\0"
    assert page.tags[700][2] == XMP_OF_CROP
    assert page.tags[0x11A][2] == struct.pack("<II", 300, 1)
    assert page.number(0x112, 1) == 1
    assert page.children[0x8769].number(0xA002, 0) == 20
    assert page.children[0x8825].tags[1][2] == b"N\0"
    assert said == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif", "jp2", "heic"])
def test_no_format_that_keeps_a_profile_reports_a_loss(tmp_path: Path, suffix: str):
    if suffix == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    buffer = io.BytesIO()
    formats = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000", "heic": "HEIF"}
    photo().save(buffer, formats.get(suffix, suffix.upper()), icc_profile=profile)
    said: list[str] = []

    crop_of(tmp_path / f"a.{suffix}", buffer.getvalue(), said)

    assert said == []
    with Image.open(tmp_path / f"crop.{suffix}") as crop:
        assert crop.size == (20, 10)


def test_random_damage_never_ends_in_another_error(tmp_path: Path):
    from clipcrop.errors import InputError

    random = np.random.default_rng(3)
    whole = {
        "jpg": jpeg_with(Segment(0xE1, b"Exif\0\0" + exif_with())),
        "png": png_with(chunk(b"eXIf", exif_with())),
    }
    buffer = io.BytesIO()
    photo().save(buffer, "TIFF")
    whole["tif"] = buffer.getvalue()
    for suffix, content in whole.items():
        for _ in range(100):
            damaged = bytearray(content)
            for at in random.integers(0, min(len(content), 400), size=3):
                damaged[at] = random.integers(0, 256)
            path = tmp_path / f"a.{suffix}"
            path.write_bytes(damaged)
            try:
                write_crops(path, [BOX_PX], [tmp_path / "crop"], overwrite=True, tell=str)
            except InputError:
                continue


ULTRA_HDR_XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" xmp:Rating="4"
 GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion='1'>
<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource">
<Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg" Item:Length="4711"/>
</rdf:li></rdf:Seq></Container:Directory><dc:title>bride</dc:title></rdf:Description></rdf:RDF>
</x:xmpmeta>"""


def test_a_crop_of_an_ultra_hdr_photo_is_a_plain_jpeg_and_says_so(tmp_path: Path):
    path = tmp_path / "hdr.jpg"
    photo().save(path, "MPO", save_all=True, append_images=[photo().rotate(180)])
    content = path.read_bytes()
    notes = [
        Segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + ULTRA_HDR_XMP),
        Segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)),
    ]
    # Pillow's offsets count from within the MPF segment, so that they hold.
    path.write_bytes(content[:2] + b"".join(note.encoded() for note in notes) + content[2:])
    told: list[str] = []

    (written,) = write_crops(path, [BOX_PX], [tmp_path / "crop"], tell=told.append)

    (line,) = told
    assert "HDR part" in line
    assert "motion photo" in line
    crop = written.read_bytes()
    for pointer in (b"MPF\0", b"21496", b"hdrgm:Version", b"GainMap", b"GCamera:Motion"):
        assert pointer not in crop
    assert b'xmp:Rating="4"' in crop
    assert b"<dc:title>bride</dc:title>" in crop
    assert crop.count(b"\xff\xd8\xff") == 1
    with Image.open(written) as image:
        assert image.format == "JPEG"
        assert image.size == (20, 10)
        image.load()
        ElementTree.fromstring(
            re.sub(rb"\b(rdf|xmp|dc|Container|Item|GCamera|hdrgm|x):", rb"", image.info["xmp"])
        )


@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_the_first_frame_of_an_animation_is_cropped_and_that_is_told_once(
    tmp_path: Path, suffix: str
):
    path = tmp_path / f"film.{suffix}"
    frames = [photo(), photo().rotate(180), photo().rotate(90)]
    options = {} if suffix == "gif" else {"lossless": True}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    told: list[str] = []

    written = write_crops(
        path, [BOX_PX, BOX_PX], [tmp_path / "a", tmp_path / "b"], tell=told.append
    )

    with Image.open(path) as film, Image.open(written[0]) as crop:
        expected = film.convert("RGB").crop(BOX_PX)
        assert (np.asarray(crop.convert("RGB")) == np.asarray(expected)).all()
    (line,) = told
    assert line.count("further frames") == 1

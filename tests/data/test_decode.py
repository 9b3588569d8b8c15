"""One image file: what becomes of it, and what is refused."""

import hashlib
import os

import numpy as np
import pytest
from pictures import DAMAGE, damage, encoded, picture, save
from PIL import Image

from vaelib.data import decode as room
from vaelib.data.common import DataError
from vaelib.data.decode import Decoding, decode_file

GRAY = Decoding(8, 8)


def planes(path, how):
    return decode_file(path, how)[0].reshape(how.shape)


def test_channels_come_first_and_rows_from_the_top(tmp_path):
    array = np.zeros((4, 6, 3), np.uint8)
    array[0, :, 0], array[:, 5, 2] = 200, 90
    Image.fromarray(array).save(tmp_path / "a.png")
    got = planes(tmp_path / "a.png", Decoding(4, 6, channels=3))
    assert (got == array.transpose(2, 0, 1)).all()


def test_the_hash_is_that_of_the_file(tmp_path):
    path = save(tmp_path / "a.jpg")
    assert decode_file(path, GRAY)[1] == hashlib.sha256(path.read_bytes()).digest()


def test_crop_keeps_the_aspect_ratio_and_stretch_does_not(tmp_path):
    array = np.zeros((20, 40), np.uint8)
    array[:, 10:30] = 255  # the middle square is white
    Image.fromarray(array).save(tmp_path / "a.png")
    cropped = planes(tmp_path / "a.png", Decoding(10, 10, fit="crop"))[0]
    assert cropped[:, 1:-1].min() == 255  # the outer columns blend with what was cut away
    assert cropped.min() > 200
    stretched = planes(tmp_path / "a.png", Decoding(10, 10))[0]
    assert stretched[:, 0].max() == 0
    assert stretched[:, 4:6].min() == 255


def test_crop_is_the_resize_and_center_crop_of_the_thesis(tmp_path):
    from torchvision import transforms

    path = save(tmp_path / "a.png", size=(178, 218))
    theirs = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(32)])(
        Image.open(path)
    )
    ours = planes(path, Decoding(32, 32, channels=3, fit="crop"))
    difference = ours.astype(int) - np.asarray(theirs).transpose(2, 0, 1)
    assert np.abs(difference).mean() < 3  # they crop whole pixels after resizing


def test_all_kinds_of_gray_and_color_are_read(tmp_path):
    for mode in ("L", "RGB"):
        save(tmp_path / f"{mode}.png", mode=mode)
        for channels in (1, 3):
            assert planes(tmp_path / f"{mode}.png", Decoding(8, 8, channels)).std() > 0
    colors = planes(tmp_path / "L.png", Decoding(8, 8, channels=3))
    assert (colors == colors[:1]).all()


def test_sixteen_bits_are_scaled_to_eight(tmp_path):
    ramp = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    Image.fromarray(ramp).save(tmp_path / "a.png")
    assert (planes(tmp_path / "a.png", Decoding(16, 16))[0] == ramp // 257).all()


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_pixels_of_unknown_range_are_refused(tmp_path, kind):
    """Gray in [0, 1] as float, or 0 to 255 as int32: converted blindly, all of it is 0."""
    Image.fromarray(np.ones((8, 8), kind)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif has pixels of 32 bits.*expected 8 or 16"):
        decode_file(tmp_path / "a.tif", GRAY)


def test_formats_that_start_another_program_are_refused(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    with pytest.raises(DataError, match=r"a\.jpg is no image: .*expected JPEG, PNG"):
        decode_file(tmp_path / "a.jpg", GRAY)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read: .*expected a file"):
        decode_file(tmp_path / "a.jpg", GRAY)


def test_transparent_images_get_a_black_background(tmp_path):
    image = picture(mode="RGBA")
    image.putalpha(0)
    image.save(tmp_path / "a.png")
    assert planes(tmp_path / "a.png", Decoding(8, 8, channels=3)).max() == 0


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_of_exif_is_applied(tmp_path, turn, kind):
    """The eight orientations of EXIF: the file holds what this one undoes."""
    upright = np.arange(24, dtype=np.uint8).reshape(4, 6)
    stored = {
        1: upright,
        2: np.fliplr(upright),
        3: np.rot90(upright, 2),
        4: np.flipud(upright),
        5: upright.T,
        6: np.rot90(upright, 1),
        7: np.rot90(upright.T, 2),
        8: np.rot90(upright, -1),
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / f"a.{kind}", exif=exif)
    assert (planes(tmp_path / f"a.{kind}", Decoding(4, 6))[0] == upright).all()


def test_the_format_is_that_of_the_content_not_of_the_suffix(tmp_path):
    save(tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert planes(tmp_path / "a.jpg", GRAY).std() > 0


COLOR = Decoding(16, 16, channels=3, fit="crop")


def by_pillow(path, how):
    """What Pillow alone makes of a file: its pixels, or what it says is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "simplejpeg", None)
        return outcome(path, how)


def outcome(path, how):
    try:
        return decode_file(path, how)[0].tobytes()
    except DataError as problem:
        return str(problem)


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 75},
        {"quality": 95, "subsampling": "4:4:4"},
        {"subsampling": "4:2:2", "optimize": True},
        {"subsampling": "4:2:0", "restart_marker_rows": 1},
        {"keep_rgb": True},
        {"icc_profile": b"a profile", "comment": b"a comment"},
    ],
)
@pytest.mark.parametrize("fit", ["crop", "stretch"])
def test_plain_color_jpegs_are_decoded_without_pillow_to_the_same_pixels(
    tmp_path, monkeypatch, options, fit
):
    pytest.importorskip("simplejpeg")
    path, how = tmp_path / "a.jpg", Decoding(16, 20, channels=3, fit=fit)
    picture(size=(45, 55)).save(path, **options)
    expected = by_pillow(path, how)
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("opened by Pillow"))
    assert decode_file(path, how)[0].tobytes() == expected


def test_other_jpegs_are_left_to_pillow(tmp_path, monkeypatch):
    """The same pixels could come from a decoder that ignores EXIF or draft, if that is not used."""
    turned = Image.Exif()
    turned[0x0112] = 6
    files = {
        "gray": picture(mode="L", size=(45, 55)),
        "CMYK": picture(size=(45, 55)).convert("CMYK"),
        "progressive": picture(size=(45, 55)),
        "turned": picture(size=(45, 55)),
        "large": picture(size=(64, 90)),
    }
    fast = pytest.importorskip("simplejpeg")
    for kind, image in files.items():
        options = {"turned": {"exif": turned}, "progressive": {"progressive": True}}.get(kind, {})
        image.save(tmp_path / f"{kind}.jpg", **options)
    expected = {kind: by_pillow(tmp_path / f"{kind}.jpg", COLOR) for kind in files}
    monkeypatch.setattr(fast, "decode_jpeg", lambda *_, **__: pytest.fail("not by Pillow"))
    for kind in files:
        assert outcome(tmp_path / f"{kind}.jpg", COLOR) == expected[kind]
    picture(size=(45, 55)).save(tmp_path / "color.jpg")
    assert outcome(tmp_path / "color.jpg", GRAY) == by_pillow(tmp_path / "color.jpg", GRAY)


def test_any_damage_to_a_jpeg_has_the_same_outcome_as_with_pillow_alone(tmp_path):
    """Cut at every fortieth byte, and 300 bytes changed, one at a time."""
    path, content = tmp_path / "a.jpg", encoded(size=(40, 30))
    rng = np.random.default_rng(0)
    harmed = [content[:n] for n in range(1, len(content), 40)] + [content[:-2], content[:-1]]
    for place in rng.integers(0, len(content), 300):
        one = bytearray(content)
        one[place] ^= int(rng.integers(1, 256))
        harmed.append(bytes(one))
    kinds = set()
    for one in harmed:
        path.write_bytes(one)
        got = outcome(path, COLOR)
        assert got == by_pillow(path, COLOR)
        kinds.add(type(got))
    assert kinds == {str, bytes}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named(tmp_path, kind):
    path = tmp_path / "a.jpg"
    word = damage(path, kind)
    with pytest.raises(DataError, match=rf"a\.jpg .*({word})"):
        decode_file(path, GRAY)


def test_a_missing_file_a_folder_and_a_dead_link_are_named(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dead.jpg").symlink_to(tmp_path / "nowhere")
    for name in ("missing.jpg", "folder.jpg", "dead.jpg"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            decode_file(tmp_path / name, GRAY)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = save(tmp_path / "a.png")
    path.chmod(0)
    with pytest.raises(DataError, match=r"a\.png cannot be read: Permission denied"):
        decode_file(path, GRAY)


def test_a_file_of_too_many_bytes_is_not_even_read(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "MAX_BYTES", 100)
    path = save(tmp_path / "a.png")
    with pytest.raises(DataError, match="bytes, expected at most 100"):
        decode_file(path, GRAY)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": 0}, "0 x 8 pixels, expected whole numbers from 1"),
        ({"width": 16.5}, "8 x 16.5 pixels, expected whole numbers"),
        ({"width": 10**6}, "8 x 1000000 pixels, expected whole numbers from 1 to 4,096"),
    ],
)
def test_invalid_settings_are_refused(changes, words):
    with pytest.raises(DataError, match=words):
        Decoding(**{"height": 8, "width": 8, **changes})

"""One image file: what becomes of it, and what is refused."""

import hashlib
import os

import numpy as np
import pytest
from pictures import DAMAGE, damage, picture, save
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

"""Faces with attributes: every form of the table, and what does not fit together."""

import shutil

import pytest
import torch
from pictures import damage, save

from vaelib.data import DataError
from vaelib.data.celeba import IMAGES, celeba, has_celeba, read_table
from vaelib.data.common import Dataset

NAMES = ("Smiling", "Eyeglasses", "Blond_Hair")
N = 150  # so that the tenth for the test is not empty


def marks(i):
    return [1 if i % 3 == 0 else -1, 1 if i % 7 == 0 else -1, 1 if i % 5 == 0 else -1]


def text(n=N, names=NAMES):
    rows = [f"{i:06}.jpg  " + " ".join(f"{m:2}" for m in marks(i)) for i in range(n)]
    return "\n".join([str(n), " ".join(names) + " ", *rows]) + "\n"


def comma(n=N, mark=",", no="-1", end="\n"):
    rows = [
        mark.join([f"{i:06}.jpg", *(str(m) if m > 0 else no for m in marks(i))]) for i in range(n)
    ]
    return end.join([mark.join(["image_id", *NAMES]), *rows]) + end


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "celeba"
    for i in range(N):
        save(root / IMAGES / f"{i:06}.jpg", i, size=(18, 22))
    (root / "list_attr_celeba.txt").write_text(text())
    return root


def everything(faces: Dataset):
    """File name -> attributes, of both parts."""
    return {
        file: row.tolist()
        for part in (faces.train, faces.test)
        for file, row in zip(part.images.files, part.attributes, strict=True)
    }


def test_faces_keep_their_attributes(root):
    faces = celeba(16)
    assert len(faces.train) + len(faces.test) == N
    assert faces.train.images.shape == (3, 16, 16)
    assert faces.train.names == NAMES
    assert everything(faces) == {f"{i:06}.jpg": [m > 0 for m in marks(i)] for i in range(N)}
    assert faces.notes == ()


def test_the_parts_share_no_content_and_stay_when_faces_are_added(root):
    first = celeba(16)
    for i in range(N, N + 20):
        save(root / IMAGES / f"{i:06}.jpg", i, size=(18, 22))
    (root / "list_attr_celeba.txt").write_text(text(N + 20))
    second = celeba(16)
    assert 0 < len(first.test) < len(second.test)
    assert set(first.test.images.files) <= set(second.test.images.files)
    assert set(first.train.images.files) <= set(second.train.images.files)


def test_the_archive_of_kaggle_packs_the_images_one_level_deeper(root):
    images = root / IMAGES
    images.rename(root / "aside")
    images.mkdir()
    (root / "aside").rename(images / IMAGES)
    assert everything(celeba(16)) == {f"{i:06}.jpg": [m > 0 for m in marks(i)] for i in range(N)}


def test_faces_at_a_wrong_level_are_found(root, monkeypatch):
    monkeypatch.setenv("VAELIB_DATA", str(root))
    with pytest.raises(DataError) as refusal:
        celeba(16)
    assert f"; there is {root / IMAGES}. To fix it" in str(refusal.value)


def test_too_few_faces_for_a_test_set_are_refused(root):
    (root / "list_attr_celeba.txt").write_text(text(1))
    with pytest.raises(DataError, match=r"1 different faces .* too few: none of them is in the"):
        celeba(16)


def test_of_duplicates_one_is_kept(root):
    shutil.copy(root / IMAGES / "000003.jpg", root / IMAGES / "000009.jpg")
    faces = celeba(16)
    assert "000009.jpg" not in everything(faces)
    assert "left out 1 copies" in faces.notes[0]


def test_an_attribute_by_name(root):
    faces = celeba(16).train
    smiling = faces.has("Smiling")
    assert smiling.dtype == torch.bool
    expected = [int(file[:6]) % 3 == 0 for file in faces.images.files]
    assert smiling.tolist() == expected
    assert faces[smiling].attributes[:, 0].all()


@pytest.mark.parametrize("wrong", ["smiling", "Smilling", "SMILING"])
def test_an_unknown_attribute_gets_close_matches(root, wrong):
    with pytest.raises(DataError, match="did you mean Smiling"):
        celeba(16).train.has(wrong)


def test_an_attribute_that_nobody_or_everybody_has_is_refused(root):
    faces = celeba(16).train
    glasses = faces.has("Eyeglasses")
    with pytest.raises(DataError, match=r"none of the \d+ faces have Eyeglasses"):
        faces[~glasses].has("Eyeglasses")
    with pytest.raises(DataError, match=r"all of the \d+ faces have Eyeglasses"):
        faces[glasses].has("Eyeglasses")


FORMS = {
    "txt": text(),
    "txt, CRLF": text().replace("\n", "\r\n"),
    "txt, mark": "\ufeff" + text(),
    "txt, blank lines": text() + "\n\n",
    "csv": comma(),
    "csv, semicolons": comma(mark=";"),
    "csv, tabs": comma(mark="\t"),
    "csv, CRLF and mark": "\ufeff" + comma(end="\r\n"),
    "csv, zeros": comma(no="0"),
    "csv, spaces": comma(mark=" , "),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_the_table_say_the_same(tmp_path, form):
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(FORMS[form].encode())
    ids, names, values = read_table(path)
    assert ids == [f"{i:06}.jpg" for i in range(N)]
    assert names == NAMES
    assert values.tolist() == [[m > 0 for m in marks(i)] for i in range(N)]


HARM = {
    "empty": ("", "no names of attributes"),
    "cut": ("\n".join(text().splitlines()[:40]), rf"announces {N} faces .* has 38 rows"),
    "a value missing": (
        comma().replace("000004.jpg,-1,", "000004.jpg,"),
        r"line 6 \(000004\.jpg\): Blond_Hair is '', expected 1",
    ),
    "a word": (comma().replace("000004.jpg,-1", "000004.jpg,yes"), r"line 6 .*'yes', expected 1"),
    "two": (comma().replace("000004.jpg,-1", "000004.jpg,2"), r"line 6 .*'2', expected 1"),
    "two rows": (comma().replace("000004.jpg", "000003.jpg"), r"has 2 rows for 000003\.jpg"),
    "names twice": (text(names=("A", "B", "A")), "has 2 columns named A"),
    "a header alone": ("image_id,A,B\n", "no rows below its header"),
    "a count alone": ("5\n", "announces 5 faces .* has 0 rows"),
    "a line after a blank one": ("image_id,A\n\n1.jpg,yes\n", r"line 3 \(1\.jpg\)"),
    "an open quotation mark": ('image_id,A\n"1.jpg,1\n2.jpg,1\n', "EOF inside string"),
    "a value too many": (comma().replace("000004.jpg,", "000004.jpg,1,"), "line 6, saw 5"),
    "no names": ("image_id\n000001.jpg\n", "no names of attributes"),
    "not text": (b"\xff\xfe\x00\x01".decode("latin1"), "cannot be read as text"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_malformed_table_is_refused_with_the_place(tmp_path, harm):
    content, words = HARM[harm]
    path = tmp_path / "list_attr_celeba.csv"
    path.write_bytes(content.encode("latin1" if harm == "not text" else "utf-8"))
    with pytest.raises(DataError, match=words):
        read_table(path)


def test_rows_without_an_image_are_named_or_left_out(root):
    (root / IMAGES / "000007.jpg").unlink()
    (root / IMAGES / "000008.jpg").unlink()
    with pytest.raises(DataError, match=rf"names 2 of {N} files .* the first 000007\.jpg"):
        celeba(16)
    faces = celeba(16, skip_bad=True)
    assert len(everything(faces)) == N - 2
    assert "left out 2 rows without an image" in faces.notes[0]


def test_images_without_a_row_are_noted(root):
    save(root / IMAGES / "extra.jpg", 999)
    assert celeba(16).notes == (f"1 files in {IMAGES} have no row in list_attr_celeba.txt",)


def test_a_table_of_other_images_is_refused_even_when_skipping(root):
    (root / "list_attr_celeba.txt").write_text(text().replace(".jpg", ".png"))
    with pytest.raises(DataError, match=rf"names {N} of {N} files.*did you mean 000000\.jpg"):
        celeba(16, skip_bad=True)


def test_damaged_faces_are_named_or_left_out(root):
    damage(root / IMAGES / "000004.jpg", "empty")
    with pytest.raises(DataError, match=r"000004\.jpg is empty"):
        celeba(16)
    faces = celeba(16, skip_bad=True)
    assert "000004.jpg" not in everything(faces)
    assert everything(faces)["000005.jpg"] == [m > 0 for m in marks(5)]
    assert "left out 1 damaged images" in faces.notes[0]


def test_missing_folders_and_tables_say_what_to_do(root):
    (root / "list_attr_celeba.txt").unlink()
    with pytest.raises(DataError, match=r"no table .*list_attr_celeba\.csv.*fetch celeba"):
        celeba(16)
    (root / IMAGES).rename(root / "img_align_celeb")
    with pytest.raises(DataError, match="did you mean img_align_celeb"):
        celeba(16)


def test_another_folder_of_the_same_layout(root, tmp_path, monkeypatch):
    shutil.move(root, tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (tmp_path / "mine", str(tmp_path / "mine"), "~/mine"):
        assert len(celeba(16, folder=folder).train) > 0


@pytest.mark.skipif(not has_celeba(), reason="no CelebA under VAELIB_DATA")
def test_the_real_faces(tmp_path, monkeypatch):
    monkeypatch.setenv("VAELIB_CACHE", str(tmp_path))
    faces = celeba(32)
    total = len(faces.train) + len(faces.test)
    # a tenth by content: a binomial count
    assert abs(len(faces.test) - 0.1 * total) < 6 * (0.09 * total) ** 0.5
    smiling = torch.cat([faces.train.has("Smiling"), faces.test.has("Smiling")]).float().mean()
    assert 0.4 < smiling < 0.6
    assert len(faces.train.names) == 40

"""Sliders and the shipped kit: columns by name, the sign of each slider, intact files."""

import dataclasses
import json

import pytest
import torch

from vaelib import data, drawn, evaluate, faces, pretrained
from vaelib.data import Faces
from vaelib.detection import auroc
from vaelib.directions import keeps_identity, shift
from vaelib.likelihood import ScaledGaussian
from vaelib.pretrained import WeightsError
from vaelib.runtime import generator


@pytest.fixture(scope="module")
def kit():
    return faces.shipped()


@pytest.fixture(scope="module")
def decoded(kit):
    """Decoded pictures of codes (N, M), as the page shows them."""
    model, _ = pretrained.shipped(kit.model)
    return lambda z: evaluate.decode(model, ScaledGaussian(), z).clamp(0, 1)


def some_faces(columns, n=6):
    images = drawn.faces(n, size=16).images
    return Faces(images, torch.tensor(list(columns.values())).T.bool(), tuple(columns))


def test_sliders_find_their_columns_by_name_and_sign():
    table = some_faces({"No_Beard": [1, 1, 0, 1, 0, 1], "Young": [0, 1, 1, 0, 1, 0]})
    found = faces.labels(table, {"young": ("Young", 1), "beard": ("No_Beard", -1)})
    assert found.int().T.tolist() == [[0, 1, 1, 0, 1, 0], [0, 0, 1, 0, 1, 0]]


def test_an_unknown_column_is_refused_with_a_close_match():
    table = some_faces({"No_Beard": [1, 1, 0, 1, 0, 1], "Smiling": [0, 1, 1, 0, 1, 0]})
    with pytest.raises(data.DataError, match=r"no attribute named 'Male'"):
        faces.labels(table)
    with pytest.raises(data.DataError, match=r"'Smilling'.*Smiling"):
        faces.labels(table, {"smile": ("Smilling", 1)})


def test_every_method_finds_the_directions_of_linear_codes():
    """Independent attributes and codes linear in them: all three methods find the same line."""
    truth = torch.tensor([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]])
    has = torch.rand(4000, 2, generator=generator(0)) < 0.5
    mu = has.float() @ truth + 0.3 * torch.randn(4000, 3, generator=generator(1))
    found = faces.estimate(mu, has, ("a", "b"))
    assert tuple(found) == faces.WAYS
    for way, directions in found.items():
        for name, line in zip("ab", truth, strict=True):
            cosine = torch.cosine_similarity(directions[name], line, 0)
            assert cosine > 0.98, (way, name)


def test_saving_and_loading_the_kit_is_exact(kit, tmp_path):
    path = tmp_path / "kit.safetensors"
    faces.save(path, kit)
    assert path.read_bytes() == faces.SHIPPED.read_bytes()
    again = faces.load(path)
    assert (again.files, again.names, again.facts) == (kit.files, kit.names, kit.facts)
    assert again.has.equal(kit.has)


@pytest.mark.parametrize("spoil", ["truncated", "no hash", "another hash"])
def test_a_corrupted_kit_is_refused(kit, tmp_path, spoil):
    path = tmp_path / "kit.safetensors"
    faces.save(path, kit)
    beside = path.with_suffix(".json")
    if spoil == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    elif spoil == "no hash":
        beside.unlink()
    else:
        beside.write_text(json.dumps({"sha256": 64 * "0"}))
    with pytest.raises(WeightsError, match=r"kit\.json cannot be read|SHA-256"):
        faces.load(path)


def test_the_kit_is_small_and_fits_the_network(kit, decoded):
    assert faces.SHIPPED.stat().st_size < 1_000_000
    assert set(kit.directions) == set(faces.WAYS)
    for found in kit.directions.values():
        assert tuple(found) == tuple(faces.SLIDERS)
        assert all(v.shape == kit.codes.mu[0].shape for v in found.values())
    assert kit.files[kit.at("000012.jpg")] == "000012.jpg"
    assert len(set(kit.files)) == len(kit.files) == len(kit.codes.mu) == len(kit.has)
    assert kit.scores(decoded(kit.codes.mu[:3])).shape == (3, 6)


def test_the_judge_agrees_with_the_labels_of_the_shipped_faces(kit, decoded):
    """Also checks that its scores have the sign of the slider: CelebA has No_Beard."""
    scores, has = kit.scores(decoded(kit.codes.mu)).numpy(), kit.has.numpy()
    for name, said, column in zip(faces.SLIDERS, scores.T, has.T, strict=True):
        assert auroc(said[~column], said[column]) > 0.65, name


@pytest.mark.parametrize("way", faces.WAYS)
def test_each_direction_moves_its_own_attribute(kit, decoded, way):
    mu = kit.codes.mu[:40]
    before = kit.scores(decoded(mu))
    for i, name in enumerate(faces.SLIDERS):
        after = kit.scores(decoded(shift(mu, kit.directions[way], {name: 1.0})))
        change = (after - before)[:, i]
        # codes and weights are fixed: three standard errors leave room for rounding
        assert change.mean() > 3 * change.std() / len(mu) ** 0.5, name


def test_an_unedited_face_keeps_its_identity_and_a_stranger_does_not(kit, decoded):
    shown = kit.features(decoded(kit.codes.mu))
    assert keeps_identity(shown, shown).all()
    assert not keeps_identity(shown, shown.roll(1, 0)).any()


@pytest.mark.skipif(not data.has_celeba(), reason="CelebA is not on disk")
def test_the_shipped_directions_are_those_of_the_data(kit):
    train = data.celeba(64).train
    model, _ = pretrained.shipped(kit.model)
    half = train[torch.arange(len(train)) % 2 == 1]
    mu = evaluate.encode(model, half.images.pixels).mu
    found = faces.estimate(mu, faces.labels(half), tuple(faces.SLIDERS))
    for way, directions in found.items():
        for name, vector in directions.items():
            torch.testing.assert_close(
                kit.directions[way][name], vector, atol=0.02, rtol=0.02, msg=f"{way} {name}"
            )


def test_a_kit_is_immutable(kit):
    with pytest.raises(dataclasses.FrozenInstanceError):
        kit.model = "another"

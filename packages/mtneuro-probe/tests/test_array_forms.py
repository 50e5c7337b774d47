"""The public functions give the same for the same numbers, in whatever memory, byte order or type."""

from collections.abc import Callable
from typing import Any

import mtneuro_probe as probe
import numpy as np
import pandas as pd
import pytest

RNG = np.random.default_rng(0)
N = 60
# Numbers that float16 holds exactly.
X, Y = (RNG.normal(size=(N, width)).astype(np.float16).astype(np.float32) for width in (3, 2))
IDS = np.array([f"A/z{z}" for z in range(N)])
REGION = np.arange(N) % 2
LABELS = RNG.integers(0, 4, (6, 16, 16)).astype(np.int32)
IMAGES = RNG.integers(0, 255, (N, 8, 8)).astype(np.float32)
TABLE = pd.DataFrame({"mine": X[:, 0].astype(float)}, index=IDS)


KINDS = {"f": ("f2", "f8"), "i": ("u1", "u2", "u8", "i1")}
"""Other types that hold the same numbers."""

CALLS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "linear_cka": (lambda a: probe.linear_cka(a, Y), X),
    "rsa": (lambda a: probe.rsa(a, Y), X),
    "closeness": (lambda a: probe.closeness(a, a, Y, sample_id=IDS, n_bootstrap=5).low, X),
    "representation_similarity": (
        lambda a: probe.representation_similarity({"a": a, "b": Y})["cka"].to_numpy(), X
    ),
    "feature_readout": (
        lambda a: probe.feature_readout(a, TABLE, gap=2, n_bootstrap=5)["r2_low"].to_numpy(), X
    ),
    "feature_predictions": (lambda a: probe.feature_predictions(a, TABLE, gap=2).to_numpy(), X),
    "region_readout": (lambda a: probe.region_readout(a, REGION, a, REGION).confidence, X),
    "region_readout, regions": (lambda a: probe.region_readout(X, a, X, a).confidence, REGION),
    "region_cross_validation": (
        lambda a: probe.region_cross_validation(X, a, sample_id=IDS, gap=2).confidence, REGION
    ),
    "block_splits": (
        lambda a: np.concatenate([test for _, test in probe.block_splits(np.full(N, "A"), a)]), np.arange(N)
    ),
    "floor_embeddings": (
        lambda a: np.hstack(list(probe.floor_embeddings(a, n_components=4).values())), IMAGES
    ),
    "intensity_histogram": (lambda a: probe.intensity_histogram(a, limits=(0, 256)), IMAGES),
    "semantic_features": (
        lambda a: probe.semantic_features(a, features=probe.ALL_FEATURES).to_numpy(), LABELS
    ),
    "semantic_features, 3d": (lambda a: probe.semantic_features(a, components="3d").to_numpy(), LABELS),
    "label_features": (
        lambda a: probe.label_features(a, {"q": 2}, voxel_size_um=(1, 1, 1), ignore=(1, 3)).to_numpy(), LABELS
    ),
    "original_features": (probe.original_features, LABELS),
    "nearest_neighbour_distance": (probe.nearest_neighbour_distance, X),
    "LinearReadout": (lambda a: probe.LinearReadout(cv=3).fit(a, TABLE["mine"]).coef_, X),
    "fit_readout": (lambda a: probe.fit_readout(a, TABLE, feature="mine", gap=2).coef_, X),
    "feature_map": (
        lambda a: probe.feature_map(probe.LinearReadout(cv=3).fit(X, TABLE["mine"]), a.reshape(6, 10, 3)), X
    ),
}  # fmt: skip


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_the_form_of_an_array_changes_no_number(name, array_forms):
    call, array = CALLS[name]
    expected = np.asarray(call(array), dtype=float)
    for form, same in array_forms(array, *KINDS[array.dtype.kind]).items():
        got = np.asarray(call(same), dtype=float)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9, err_msg=form)


@pytest.mark.usefixtures("unchecked")
def test_embeddings_are_saved_and_read_in_any_form(tmp_path, array_forms):
    for form, same in array_forms(X, *KINDS["f"]).items():
        path = tmp_path / f"{form}.npz"
        probe.save_embeddings(path, same, sample_id=IDS)
        np.testing.assert_array_equal(probe.load_embeddings(path).embeddings, X)
    np.savez(tmp_path / "big.npz", format_version=1, embeddings=X.astype(">f4"), sample_id=IDS)
    read = probe.load_embeddings(tmp_path / "big.npz").embeddings
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, X)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", CALLS)
def test_values_behind_a_mask_are_refused_and_not_taken(name):
    call, array = CALLS[name]
    hidden = np.ma.masked_array(array, mask=np.arange(array.size).reshape(array.shape) == 5)
    if name in ("LinearReadout", "feature_map", "block_splits"):
        pytest.skip("scikit-learn's own rules, a map with holes, and numbers of slices")
    with pytest.raises(ValueError, match="must not be masked, got 1 of"):
        call(hidden)

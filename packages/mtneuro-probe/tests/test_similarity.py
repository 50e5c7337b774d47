import numpy as np
import pytest
from mtneuro_probe import closeness, linear_cka, representation_similarity, rsa
from scipy.stats import spearmanr


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def ids(n: int) -> np.ndarray:
    return np.array([f"A/z{z}" for z in range(n)])


def plain_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate as printed, sums over all distinct samples written out."""

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        n, one = len(k), np.ones(len(k))
        return (
            np.trace(k @ m)
            + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ k @ m @ one)
        ) / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def test_cka_is_the_published_formula(rng):
    x = rng.normal(2, 1, size=(30, 5))
    y = np.column_stack([x[:, :2], rng.normal(size=(30, 3))])
    assert linear_cka(x, y) == pytest.approx(plain_cka(x, y))


def test_cka_is_unchanged_by_rotation_scale_shift_and_order(rng):
    x, y = rng.normal(size=(40, 6)), rng.normal(size=(40, 4))
    y[:, 0] += x[:, 0]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    order = rng.permutation(40)
    expected = linear_cka(x, y)
    assert linear_cka(3 * x @ turn + 7, y) == pytest.approx(expected)
    assert linear_cka(x[order], y[order]) == pytest.approx(expected)
    assert linear_cka(y, x) == pytest.approx(expected)


def test_unrelated_representations_of_many_dimensions_do_not_look_alike(rng):
    draws = [linear_cka(rng.normal(size=(50, 200)), rng.normal(size=(50, 200))) for _ in range(20)]
    assert abs(np.mean(draws)) < 0.03


def test_rsa_is_a_rank_correlation_of_dissimilarities(rng):
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 4))
    tables = []
    for one in (x, y):
        standard = (one - one.mean(axis=0)) / one.std(axis=0)
        tables.append([1 - np.corrcoef(standard[i], standard[j])[0, 1] for i in range(12) for j in range(i)])
    assert rsa(x, y) == pytest.approx(spearmanr(*tables)[0])


def test_every_pair_is_compared_once(rng):
    x = rng.normal(size=(20, 4))
    seen = []
    table = representation_similarity(
        {"a": x, "b": 2 * x, "pixels": x[:, :1]}, progress=lambda *at: seen.append(at)
    )
    assert table[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "pixels"], ["b", "pixels"]]
    assert table.loc[0, ["cka", "rsa"]].tolist() == pytest.approx([1, 1])
    assert np.isnan(table.loc[1, "rsa"])
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_closer_of_two_is_told_with_an_interval(rng):
    reference = rng.normal(size=(120, 5))
    near = reference + 0.3 * rng.normal(size=(120, 5))
    far = reference + 3 * rng.normal(size=(120, 5))
    told = closeness(reference, near, far, sample_id=ids(120), run_length=5, n_bootstrap=50)
    assert told.first == pytest.approx(linear_cka(reference, near))
    assert told.difference == pytest.approx(told.first - told.second)
    assert 0 < told.low < told.difference < told.high


def test_few_runs_leave_the_closer_one_without_an_interval(rng):
    reference = rng.normal(size=(40, 5))
    near, far = reference + 0.3 * rng.normal(size=(40, 5)), reference + rng.normal(size=(40, 5))
    told = closeness(reference, near, far, sample_id=ids(40), run_length=5)
    assert told.interval_reason == "8 run(s) of at least 5 slices, and 12 are needed"
    assert np.isnan([told.low, told.high]).all()
    assert told.difference > 0
    by_data = closeness(reference, near, far, sample_id=ids(40))
    assert by_data.interval_reason == ""
    assert by_data.low < by_data.difference < by_data.high


def test_equally_close_ones_have_an_interval_around_zero(rng):
    reference = rng.normal(size=(120, 5))
    one, other = (reference + rng.normal(size=(120, 5)) for _ in range(2))
    told = closeness(reference, one, other, sample_id=ids(120), run_length=5, n_bootstrap=50)
    assert told.low < 0 < told.high


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (np.zeros((9, 2)), np.ones((9, 2)), "differ between samples"),
        (np.arange(6.0).reshape(3, 2), np.arange(6.0).reshape(3, 2), "4 samples or more, got 3 and 3"),
        (np.arange(10.0).reshape(5, 2), np.arange(12.0).reshape(6, 2), "got 5 and 6"),
        (np.full((5, 2), np.nan), np.arange(10.0).reshape(5, 2), "finite"),
    ],
)
def test_wrong_input_is_refused(x, y, told):
    with pytest.raises(ValueError, match=told):
        linear_cka(x, y)
    with pytest.raises(ValueError, match=told):
        rsa(x, y)


def test_one_representation_is_nothing_to_compare(rng):
    with pytest.raises(ValueError, match="at least 2 representations"):
        representation_similarity({"a": rng.normal(size=(9, 2))})
    with pytest.raises(ValueError, match="at least 2 dimensions"):
        rsa(rng.normal(size=(9, 1)), rng.normal(size=(9, 2)))


def test_cka_of_samples_that_are_alike_but_for_one_is_refused(rng):
    # The unbiased criterion of such a representation is 0: the ratio came out as nan, 2 or 1e8.
    for n in range(5, 60):
        outlier = np.zeros((n, 3))
        outlier[0] = rng.normal(size=3)
        for shift, kind in ((0, np.float64), (1, np.float64), (100, np.float32)):
            x = (outlier + shift).astype(kind)
            with pytest.raises(ValueError, match="alike but for one"):
                linear_cka(x, rng.normal(size=(n, 3)))
            with pytest.raises(ValueError, match="got the second"):
                linear_cka(rng.normal(size=(n, 3)), x)


def test_cka_keeps_its_digits_near_such_a_sample_and_never_leaves_its_range(rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 4))
    x[0] *= 1e4
    exact = plain_cka(x.astype(np.longdouble), y.astype(np.longdouble))
    assert linear_cka(x, y) == pytest.approx(float(exact), rel=1e-9)
    for seed in range(30):
        y = np.random.default_rng(seed).normal(size=(4 + seed % 7, 2)).astype(np.float32)
        assert abs(linear_cka(y, y)) <= 1
        assert linear_cka(y, 3 * y) == pytest.approx(1)


def test_an_undefined_measure_of_a_pair_is_nan_in_the_table_and_told_in_the_log(rng, caplog):
    outlier = np.zeros((9, 2))
    outlier[3] = 1, 2
    table = representation_similarity({"a": rng.normal(size=(9, 2)), "one": outlier})
    assert np.isnan(table.loc[0, "cka"])
    assert np.isnan(table.loc[0, "rsa"])
    assert "cka of a and one is undefined: CKA needs" in caplog.text


def test_dimensions_whose_last_bits_alone_differ_say_nothing(rng):
    x = rng.normal(size=(100, 4)).astype(np.float32)
    one = np.float32(1)
    dead = np.where(rng.random((100, 40)) < 0.5, one, np.nextafter(one, np.float32(2)))
    for kind in (np.float32, np.float64):
        assert rsa(x, np.hstack([x, dead]).astype(kind)) == pytest.approx(1)
        assert rsa(x, np.hstack([x, np.ones_like(dead)]).astype(kind)) == pytest.approx(1)
        with pytest.raises(ValueError, match="must differ between samples"):
            linear_cka(x, dead.astype(kind))


def test_rsa_of_dimensions_that_are_multiples_of_one_is_refused(rng):
    x = rng.normal(size=(20, 1))
    y = rng.normal(size=(20, 4))
    for one in (x * [1, 2, 5], (x * [3, 0.1] + [7, 1]).astype(np.float32), x.astype(np.float32).repeat(3, 1)):
        with pytest.raises(ValueError, match="the same standardised value in all"):
            rsa(one, y)


def test_rsa_ranks_no_rounding_errors(rng):
    # Of two dimensions, a correlation is 1 or -1, and everything else a rounding error.
    x = rng.normal(size=(40, 2))
    assert rsa(x, x[:, ::-1] * [3, 0.7] + 1) == pytest.approx(1, abs=1e-12)
    with pytest.raises(ValueError, match="differ in dissimilarity"):
        rsa(rng.normal(size=(4, 3)), np.eye(4))

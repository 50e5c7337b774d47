"""The numbers that a linear model is asked to predict for each feature."""

import numpy as np
import pandas as pd
from jaxtyping import Float64

from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.registry import feature_period


def checked_rows(
    embeddings: np.ndarray, features: pd.DataFrame, *, name: str = "embeddings"
) -> Float64[np.ndarray, "samples dimensions"]:
    """Return embeddings in double precision, finite and with a row for each row of a table of features.

    Parameters
    ----------
    embeddings
        One vector a sample.
    features
        A row a sample.
    name
        What errors call the embeddings.

    Raises
    ------
    ValueError
        If they are not finite, or the numbers of rows differ.
    """
    check_embeddings(embeddings, name=name)
    if len(features) != len(embeddings):
        raise ValueError(
            f"{name} and features must have a row a sample, got {len(embeddings)} and {len(features)}"
        )
    return embeddings.astype(np.float64)


def feature_targets(features: pd.DataFrame) -> dict[str, Float64[np.ndarray, "samples targets"]]:
    """Return the columns to predict for each feature: itself, or cosine and sine for an angle.

    Raises
    ------
    ValueError
        If there is no column, a column holds no numbers, or a value is infinite.

    Examples
    --------
    >>> feature_targets(pd.DataFrame({"axon_orientation": [0.0, 90.0]}))["axon_orientation"].round(6)
    array([[ 1.,  0.],
           [-1.,  0.]])
    """
    if not features.shape[1]:
        raise ValueError("features must have at least one column, got none")
    targets: dict[str, np.ndarray] = {}
    for name, kind in features.dtypes.items():
        if not pd.api.types.is_numeric_dtype(kind):
            raise ValueError(f"each feature must be a column of numbers, got {kind} in {name!r}")
        values = np.asarray(features[name].to_numpy(dtype=np.float64, na_value=np.nan))
        if np.isinf(values).any():
            raise ValueError(f"features must be finite or missing (NaN), got infinity in {name}")
        if period := feature_period(str(name)):
            turn = 2 * np.pi * values / period
            targets[str(name)] = np.column_stack([np.cos(turn), np.sin(turn)])
        else:
            targets[str(name)] = values[:, None]
    return targets


def constant_target(y: Float64[np.ndarray, "samples targets"]) -> bool:
    """Return whether there is nothing to predict: every column is the same in all samples, or there are none.

    Examples
    --------
    >>> constant_target(np.array([[0.1 + 0.2], [0.3]]))
    True
    """
    return not len(y) or bool((np.ptp(y, axis=0) <= 1e-12 * np.abs(y).max(axis=0)).all())

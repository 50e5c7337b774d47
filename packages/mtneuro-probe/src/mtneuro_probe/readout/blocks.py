"""Cross-validation splits over blocks of slices, with a gap between training and test slices."""

import numpy as np
from jaxtyping import Int, Integer, Shaped


def block_splits(
    cube: Shaped[np.ndarray, " samples"],
    z: Integer[np.ndarray, " samples"],
    *,
    n_splits: int = 5,
    gap: int = 10,
) -> list[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]:
    """Return train and test rows for each of ``n_splits`` contiguous blocks of slices.

    The slices of every cube are cut into ``n_splits`` blocks of neighbours. Split k tests on the k-th block
    of each cube and trains on the rest of it, less every slice nearer than ``gap`` to the tested block: one
    slice is almost a copy of the next, so a shuffled split would reward memorising.

    Parameters
    ----------
    cube
        Name of the cube that each sample lies in. Slices of different cubes are never neighbours.
    z
        First slice of each sample.
    n_splits
        Number of blocks in each cube.
    gap
        Smallest difference in z between a training and a test sample of one cube, in slices. For
        samples that are several slices deep, add the depth. The paper leaves 10 between its sets.

    Returns
    -------
    splits
        Row numbers, ascending. A split that would be empty on either side is left out.

    Raises
    ------
    ValueError
        If fewer than two splits are asked for, the gap is negative, or fewer than two splits are left.

    Examples
    --------
    >>> cube = np.full(6, "A")
    >>> for train, test in block_splits(cube, np.arange(6), n_splits=3, gap=2):
    ...     print(train, test)
    [3 4 5] [0 1]
    [0 5] [2 3]
    [0 1 2] [4 5]
    """
    if len(cube) != len(z):
        raise ValueError(f"cube and z must have one entry a sample each, got {len(cube)} and {len(z)}")
    z = z.astype(np.int64)  # of unsigned numbers, a gap below 0 would be large
    if n_splits < 2:
        raise ValueError(f"n_splits must be at least 2, got {n_splits}")
    if gap < 0:
        raise ValueError(f"gap must be at least 0 slices, got {gap}")
    test = np.zeros((n_splits, len(z)), dtype=bool)
    near = np.zeros_like(test)
    for name in np.unique(cube):
        inside = cube == name
        for block, slices in enumerate(np.array_split(np.unique(z[inside]), n_splits)):
            if len(slices):
                test[block] |= inside & (z >= slices[0]) & (z <= slices[-1])
                near[block] |= inside & (z > slices[0] - gap) & (z < slices[-1] + gap)
    train = ~(test | near)
    splits = [
        (np.flatnonzero(kept), np.flatnonzero(held))
        for kept, held in zip(train, test, strict=True)
        if kept.any() and held.any()
    ]
    if len(splits) < 2:
        raise ValueError(
            f"{n_splits} blocks with a gap of {gap} slices must leave at least 2 splits with training "
            f"samples, got {len(splits)} from {len(np.unique(z))} different slices in "
            f"{len(np.unique(cube))} cube(s); use a smaller gap or samples from a longer run of slices"
        )
    return splits

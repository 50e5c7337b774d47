"""The command ``compare``: how alike the embeddings of several encoders are."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import mtneuro_probe as probe
from mtneuro_probe._shared.terminal import Force, bar
from mtneuro_probe.commands.outputs import (
    OptionalOutput,
    check_run_length,
    check_seed,
    check_table,
    interval_text,
    write_table,
)


def compare(
    first: Path,
    second: Path,
    /,
    *others: Path,
    output: OptionalOutput = None,
    force: Force = False,
    reference: Path | None = None,
    run_length: int | None = None,
    seed: int = 0,
) -> Iterator[str]:
    """Compare the embeddings of several encoders, and say which of them is closer to a reference.

    CKA: do the same directions spread the samples? RSA: are the same samples alike? Both are 1 for embeddings
    that agree and around 0 for unrelated ones, whatever their dimensions.

    Example: `mtneuro-probe compare byol.npz supervised.npz --reference myow.npz`

    Parameters
    ----------
    first
        Embeddings file (.npz).
    second
        Embeddings of the same samples by another encoder.
    others
        Further embeddings of the same samples.
    output
        Table of the pairs to write, .csv or .parquet.
    reference
        Embeddings to compare each pair with: which of the two is closer to them, with an interval.
    run_length
        Neighbouring slices that the interval's bootstrap draws together; by default as many as are alike.
    seed
        Seed of the bootstrap.
    """
    check_table(output, force=force)
    check_seed(seed)
    check_run_length(run_length)
    paths = [first, second, *others, *([] if reference is None else [reference])]
    stems = [path.stem for path in paths]
    names = stems if len(set(stems)) == len(stems) else [str(path) for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(f"each embeddings file must be given once, got {', '.join(names)}")
    vectors, ids = probe.aligned(
        {name: probe.load_embeddings(path) for name, path in zip(names, paths, strict=True)}
    )
    with bar("compare") as progress:
        table = probe.representation_similarity(vectors, progress=progress)
    yield table.to_string(index=False, float_format="{:.3f}".format, na_rep="–")
    yield from write_table(output, table.set_index("first"))
    if reference is not None:
        for a, b in combinations(names[:-1], 2):
            told = probe.closeness(
                vectors[names[-1]], vectors[a], vectors[b], sample_id=ids, run_length=run_length, seed=seed
            )
            sure = told.low > 0 or told.high < 0
            closer = (a if told.difference > 0 else b) if sure else "neither for sure"
            told_interval = interval_text(told.low, told.high, told.interval_reason)
            yield (
                f"closer to {names[-1]}: {closer} (CKA {a} {told.first:.3f}, {b} {told.second:.3f}; "
                f"difference {told.difference:.3f}, {told_interval})"
            )

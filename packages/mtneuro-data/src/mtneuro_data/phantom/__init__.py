"""A procedural thalamocortical volume whose every voxel has a known truth.

The phantom stands in for the brain where the brain is out of reach: the same size, the same eight areas, the
same three channels, cells, vessels and axon bundles of the measured size and contrast. It is computed, not
stored: any box of it comes from the seed and the coordinates alone.
"""

from mtneuro_data.phantom.appearance import Appearance
from mtneuro_data.phantom.volume import CHANNELS, MAX_LEVEL, PHANTOM_VERSION, Phantom

__all__ = ["CHANNELS", "MAX_LEVEL", "PHANTOM_VERSION", "Appearance", "Phantom"]

"""A procedural thalamocortical volume whose every voxel has a known truth.

The phantom replaces the real volume where that cannot be reached: it has the same size, eight areas and three
channels, and cells, vessels and axon bundles of the measured size and contrast. It is computed, not
stored: any box of it comes from the seed and the coordinates alone.
"""

from mtneuro_data.phantom.appearance import Appearance
from mtneuro_data.phantom.volume import CHANNELS, MAX_LEVEL, PHANTOM_VERSION, Phantom

__all__ = ["CHANNELS", "MAX_LEVEL", "PHANTOM_VERSION", "Appearance", "Phantom"]

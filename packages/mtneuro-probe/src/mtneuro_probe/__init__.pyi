from ._shared.volume_file import VolumeFile as VolumeFile
from ._shared.volume_file import open_volume_file as open_volume_file
from .embeddings import Embeddings as Embeddings
from .embeddings import load_embeddings as load_embeddings
from .embeddings import save_embeddings as save_embeddings
from .features import label_features as label_features
from .features import semantic_features as semantic_features
from .figures.confidence import confidence_figure as confidence_figure
from .figures.confusion import confusion_figure as confusion_figure
from .figures.map import map_figure as map_figure
from .figures.scatter import scatter_figure as scatter_figure
from .figures.scores import r2_figure as r2_figure
from .figures.umap import umap_figure as umap_figure
from .matching import aligned as aligned
from .matching import matched as matched
from .measures.cells import nearest_neighbour_distance as nearest_neighbour_distance
from .measures.original import original_features as original_features
from .projection import umap_embedding as umap_embedding
from .readout.blocks import block_splits as block_splits
from .readout.ceiling import label_ceiling as label_ceiling
from .readout.features import feature_predictions as feature_predictions
from .readout.features import feature_readout as feature_readout
from .readout.floors import floor_embeddings as floor_embeddings
from .readout.floors import pixel_statistics as pixel_statistics
from .readout.floors import random_projection as random_projection
from .readout.linear import LinearReadout as LinearReadout
from .readout.maps import feature_map as feature_map
from .readout.maps import fit_readout as fit_readout
from .readout.maps import fitted_readout as fitted_readout
from .readout.maps import write_feature_map as write_feature_map
from .readout.regions import RegionScore as RegionScore
from .readout.regions import region_cross_validation as region_cross_validation
from .readout.regions import region_readout as region_readout
from .registry import ALL_FEATURES as ALL_FEATURES
from .registry import FEATURE_UNITS as FEATURE_UNITS
from .registry import FEATURES as FEATURES
from .registry import LABEL_VALUES as LABEL_VALUES
from .sample import Positions as Positions
from .sample import sample_positions as sample_positions
from .similarity import Closeness as Closeness
from .similarity import closeness as closeness
from .similarity import linear_cka as linear_cka
from .similarity import representation_similarity as representation_similarity
from .similarity import rsa as rsa

__version__: str

__all__ = [
    "ALL_FEATURES",
    "FEATURES",
    "FEATURE_UNITS",
    "LABEL_VALUES",
    "Closeness",
    "Embeddings",
    "LinearReadout",
    "Positions",
    "RegionScore",
    "VolumeFile",
    "aligned",
    "block_splits",
    "closeness",
    "confidence_figure",
    "confusion_figure",
    "feature_map",
    "feature_predictions",
    "feature_readout",
    "fit_readout",
    "fitted_readout",
    "floor_embeddings",
    "label_ceiling",
    "label_features",
    "linear_cka",
    "load_embeddings",
    "map_figure",
    "matched",
    "nearest_neighbour_distance",
    "open_volume_file",
    "original_features",
    "pixel_statistics",
    "r2_figure",
    "random_projection",
    "region_cross_validation",
    "region_readout",
    "representation_similarity",
    "rsa",
    "sample_positions",
    "save_embeddings",
    "scatter_figure",
    "semantic_features",
    "umap_embedding",
    "umap_figure",
    "write_feature_map",
]

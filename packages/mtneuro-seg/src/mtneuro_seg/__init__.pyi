from ._shared.volume_file import VolumeFile as VolumeFile
from ._shared.volume_file import open_volume_file as open_volume_file
from .colours import class_colours as class_colours
from .figures import learning_curves_figure as learning_curves_figure
from .figures import overlay as overlay
from .figures import segmentation_figure as segmentation_figure
from .inference import predict as predict
from .intervals import ScoreIntervals as ScoreIntervals
from .intervals import bootstrap_intervals as bootstrap_intervals
from .intervals import confusion_per_image as confusion_per_image
from .metrics import Scores as Scores
from .metrics import confusion_matrix as confusion_matrix
from .metrics import scores as scores
from .metrics import scores_per_image as scores_per_image
from .model import Model as Model
from .model import build_network as build_network
from .model import load_history as load_history
from .model import load_model as load_model
from .model import normalised as normalised
from .networks.smp import encoder_names as encoder_names
from .networks.unet import PlainUNet as PlainUNet
from .networks.vnetlight import VNetLight as VNetLight
from .paper import paper_search as paper_search
from .paper import paper_settings as paper_settings
from .registry import Network as Network
from .registry import SizeRule as SizeRule
from .registry import model_names as model_names
from .registry import network as network
from .registry import register as register
from .selection import best_run as best_run
from .settings import TrainSettings as TrainSettings
from .settings import executed_modules as executed_modules
from .settings_file import load_settings as load_settings
from .subvolume import subvolumes as subvolumes
from .surfaces import surface_figure as surface_figure
from .training import train as train
from .volume.cluster import predict_volume_on_cluster as predict_volume_on_cluster
from .volume.predict import predict_volume as predict_volume
from .volume.predict import swept_labels as swept_labels
from .volume.settings import SweepSettings as SweepSettings

__version__: str

__all__ = [
    "Model",
    "Network",
    "PlainUNet",
    "ScoreIntervals",
    "Scores",
    "SizeRule",
    "SweepSettings",
    "TrainSettings",
    "VNetLight",
    "VolumeFile",
    "best_run",
    "bootstrap_intervals",
    "build_network",
    "class_colours",
    "confusion_matrix",
    "confusion_per_image",
    "encoder_names",
    "executed_modules",
    "learning_curves_figure",
    "load_history",
    "load_model",
    "load_settings",
    "model_names",
    "network",
    "normalised",
    "open_volume_file",
    "overlay",
    "paper_search",
    "paper_settings",
    "predict",
    "predict_volume",
    "predict_volume_on_cluster",
    "register",
    "scores",
    "scores_per_image",
    "segmentation_figure",
    "subvolumes",
    "surface_figure",
    "swept_labels",
    "train",
]

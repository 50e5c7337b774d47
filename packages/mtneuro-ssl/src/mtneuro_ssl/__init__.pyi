from ._shared.volume_file import VolumeFile as VolumeFile
from ._shared.volume_file import open_volume_file as open_volume_file
from .dense import Grid as Grid
from .dense import embedding_map as embedding_map
from .embedding import embed as embed
from .figures.maps import colour_picture as colour_picture
from .figures.maps import principal_colours as principal_colours
from .figures.views import view_sheet as view_sheet
from .files import open_images as open_images
from .files import save_embeddings as save_embeddings
from .maps import feature_maps as feature_maps
from .model import Model as Model
from .model import untrained as untrained
from .model_folder import fetched_folder as fetched_folder
from .model_folder import load_encoder as load_encoder
from .model_folder import load_model as load_model
from .original import original_model as original_model
from .registry import encoder_names as encoder_names
from .registry import method_names as method_names
from .settings import TrainSettings as TrainSettings
from .settings import executed_modules as executed_modules
from .training import new_method as new_method
from .training import train as train
from .trial import asked_size as asked_size
from .trial import tried_settings as tried_settings
from .views import corner_crops as corner_crops

__version__: str

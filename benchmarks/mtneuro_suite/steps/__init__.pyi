from .arrays import Arrays as Arrays
from .encoder import Encoder as Encoder
from .features import Features as Features
from .regions import Regions as Regions
from .segmenter import Segmenter as Segmenter
from .selection import Selection as Selection
from .semantics import Semantics as Semantics
from .umap import Umap as Umap

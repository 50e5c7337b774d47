"""What each kind of run does: one file a kind, and the only place where the four packages meet.

A step has its settings as fields, is given the folders of the runs it needs by role and a folder to write
to, and returns the rows of its result and what else the report shows. Nothing here knows of presets,
processes or tables. A new kind is one file and one line in the stub.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Segmentation of microstructure in image volumes: the 2D and 3D networks of the MTNeuro benchmark."""

"""Representations of image volumes: supervised, mixup, BYOL, MYOW, MYOW-m, PCA and NMF."""

"""Figures as matplotlib objects, to save or show; none touches matplotlib's global state."""

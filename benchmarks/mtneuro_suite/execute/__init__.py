"""Carry runs out, in this process or over many."""

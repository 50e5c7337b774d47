"""Modules that several packages need and no library has: one text, a copy in each package.

Each package installs alone, so each carries its own copies. The first package of ``mtneuro_data``,
``mtneuro_ssl``, ``mtneuro_seg``, ``mtneuro_probe`` and ``mtneuro_suite`` that has a file holds the original;
``make twins`` copies it to the others, and a test compares them byte by byte. Modules here import only
libraries and one another, relatively.
"""

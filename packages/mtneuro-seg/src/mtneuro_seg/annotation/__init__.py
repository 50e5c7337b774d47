"""The annotation loop: boxes that a person is to label next, their corrections, and training on them."""

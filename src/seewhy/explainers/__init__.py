"""Explainers that learn: a small network that says at once what a long explanation of a photo would."""

"""Classifiers fine-tuned from folders of pictures, and how good they are."""
